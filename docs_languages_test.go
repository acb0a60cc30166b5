package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	codeSpan = regexp.MustCompile("`[^`\n]+`")
	heading  = regexp.MustCompile(`(?m)^#+ `)
)

// What a translation leaves as it is: the levels of its headings, code, the shape of tables, and links, of which some
// lead to a page in its own language.
func TestReadmesAreInStep(t *testing.T) {
	english := readFile(t, "README.md")
	for _, language := range []string{"zh", "ja"} {
		file := "README." + language + ".md"
		translated := strings.ReplaceAll(readFile(t, file), "."+language+".md", ".md")
		for what, list := range map[string]func(string) []string{
			"headings":    func(page string) []string { return heading.FindAllString(prose(page), -1) },
			"code blocks": func(page string) []string { return codeBlock.FindAllString(page, -1) },
			"code":        func(page string) []string { return sorted(codeSpan.FindAllString(prose(page), -1)) },
			"table rows":  tableShape,
			"links":       links,
		} {
			if got, want := list(translated), list(english); !slices.Equal(got, want) {
				t.Errorf("%s: %s differ from README.md: got %q, expected %q", file, what, got, want)
			}
		}
	}
}

func prose(page string) string { return codeBlock.ReplaceAllString(page, "") }

// links are those to other pages, without anchors, which each language has of its own.
func links(page string) []string {
	var targets []string
	for _, match := range pageLink.FindAllStringSubmatch(prose(page), -1) {
		target, _, _ := strings.Cut(match[1], "#")
		if !strings.HasPrefix(target, "README") {
			targets = append(targets, target)
		}
	}
	return sorted(targets)
}

func tableShape(page string) []string {
	var rows []string
	for line := range strings.Lines(prose(page)) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, strings.Repeat("|", strings.Count(line, "|")))
		}
	}
	return rows
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
