package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writtenPart is what a command writes of a page that people write otherwise. It stands between two
// lines that name the command.
type writtenPart struct{ command string }

var (
	profilePart = writtenPart{"make bench BENCH_FLAGS=-profile"}
	readmePart  = writtenPart{"make bench"}
)

func (p writtenPart) begin() string { return "<!-- written by " + p.command + ": begin -->\n" }
func (p writtenPart) end() string   { return "<!-- written by " + p.command + ": end -->\n" }

// replace puts text in the place of what the page has between the lines.
func (p writtenPart) replace(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, hasBegin := strings.Cut(string(page), p.begin())
	_, after, hasEnd := strings.Cut(rest, p.end())
	if !hasBegin || !hasEnd {
		return fmt.Errorf("%s has no lines %q and %q to write the numbers between",
			filepath.Base(path), strings.TrimSpace(p.begin()), strings.TrimSpace(p.end()))
	}
	return os.WriteFile(path, []byte(before+p.begin()+"\n"+text+"\n"+p.end()+after), 0o644)
}
