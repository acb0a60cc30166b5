// Package page writes the generated parts of the documentation's pages.
package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Part is a generated part of a page, between two lines that name the command.
type Part struct{ By string }

// Begin is the line before it.
func (p Part) Begin() string { return "<!-- written by " + p.By + ": begin -->\n" }

// End is the line after it.
func (p Part) End() string { return "<!-- written by " + p.By + ": end -->\n" }

// Read returns what the page has between the lines.
func (p Part) Read(path string) (string, error) {
	_, text, _, err := p.cut(path)
	return text, err
}

// Replace replaces the text between the lines.
func (p Part) Replace(path, text string) error {
	before, _, after, err := p.cut(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+p.Begin()+"\n"+text+"\n"+p.End()+after), 0o644)
}

func (p Part) cut(path string) (before, text, after string, err error) {
	page, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", err
	}
	before, rest, hasBegin := strings.Cut(string(page), p.Begin())
	text, after, hasEnd := strings.Cut(rest, p.End())
	if !hasBegin || !hasEnd {
		return "", "", "", fmt.Errorf("%s has no lines %q and %q to write the numbers between",
			filepath.Base(path), strings.TrimSpace(p.Begin()), strings.TrimSpace(p.End()))
	}
	return before, text, after, nil
}

// Table is a table in Markdown.
func Table(head []string, rows [][]string) string {
	var text strings.Builder
	line := func(cells []string) { text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	text.WriteString(strings.Repeat("| --- ", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return text.String()
}
