package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// readmePart is a heading with what follows up to the next one.
type readmePart struct {
	heading string
	blocks  []string
	tables  [][][]string // rows of cells, without the row of dashes
	items   int
	prose   string
	links   []string // what they lead to, sorted; of a heading, its place on the page
}

var listItem = regexp.MustCompile(`^(-|\d+\.) `)

// readmeParts are a page's parts; what comes before the first heading, and the links to the other languages, are none.
func readmeParts(page string) []readmePart {
	var parts []readmePart
	isBlock, isTable := false, false
	for line := range strings.Lines(page) {
		if !isBlock && strings.HasPrefix(line, "#") {
			parts = append(parts, readmePart{heading: strings.TrimSpace(line)})
			continue
		}
		if len(parts) == 0 {
			continue
		}
		part := &parts[len(parts)-1]
		wasTable := isTable
		isTable = !isBlock && strings.HasPrefix(line, "|")
		switch isFence := strings.HasPrefix(line, "```"); {
		case isBlock:
			part.blocks[len(part.blocks)-1] += line
			isBlock = !isFence
		case isFence:
			part.blocks = append(part.blocks, line)
			isBlock = true
		case isTable:
			if !wasTable {
				part.tables = append(part.tables, nil)
			}
			part.addRow(line)
		case !strings.Contains(line, "](README"):
			part.prose += strings.TrimSpace(line) + " " // code may go on in the next line
			if listItem.MatchString(line) {
				part.items++
			}
		}
	}
	addLinks(parts)
	return parts
}

func (p *readmePart) addRow(line string) {
	var cells []string
	for _, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	if strings.Trim(strings.Join(cells, ""), "-") != "" {
		rows := &p.tables[len(p.tables)-1]
		*rows = append(*rows, cells)
	}
}

// addLinks names a heading of the page itself by its place, as each language has headings of its own.
func addLinks(parts []readmePart) {
	places := map[string]string{}
	for i, part := range parts {
		for anchor := range anchors(part.heading) {
			places["#"+anchor] = fmt.Sprintf("heading %d", i+1)
		}
	}
	for i := range parts {
		text := parts[i].prose + fmt.Sprint(parts[i].tables)
		for _, match := range pageLink.FindAllStringSubmatch(text, -1) {
			target := match[1]
			if place, ok := places[target]; ok {
				target = place
			}
			parts[i].links = append(parts[i].links, target)
		}
		slices.Sort(parts[i].links)
	}
}

func headingLevels(parts []readmePart) []string {
	var levels []string
	for _, part := range parts {
		level, _, _ := strings.Cut(part.heading, " ")
		levels = append(levels, level)
	}
	return levels
}
