// Package reliability lets tests write what they have measured into
// docs/reliability.md, when they are asked to.
package reliability

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// Variable asks, when it is set in the environment, for the page to be written. Without
// it tests leave the page alone.
const Variable = "RELIABILITY_PAGE"

// Row is one line of a table on the page.
type Row struct {
	Fault    string // what goes wrong; names the row
	Gateway  string // what the gateway does then
	Measured string // figures: counts, times, memory
	Command  string // that measures it again
}

var head = []string{"fault", "what the gateway does", "measured", "command"}

func (r Row) cells() []string {
	return []string{inCell(r.Fault), inCell(r.Gateway), inCell(r.Measured), "`" + inCell(r.Command) + "`"}
}

// inCell keeps a text from ending its cell.
func inCell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

var mu sync.Mutex // guards the page against tests that run side by side

// Record puts rows into the table that the page has between the lines
//
//	<!-- written by PART: begin -->
//	<!-- written by PART: end -->
//
// A row takes the place of the one for the same fault; new ones come last.
func Record(t testing.TB, part string, rows ...Row) {
	t.Helper()
	change(t, part, func(old [][]string) [][]string {
		for _, row := range rows {
			old = put(old, row.cells())
		}
		return old
	})
}

// Replace is Record for a test that knows all rows of its part.
func Replace(t testing.TB, part string, rows ...Row) {
	t.Helper()
	change(t, part, func([][]string) [][]string {
		var cells [][]string
		for _, row := range rows {
			cells = append(cells, row.cells())
		}
		return cells
	})
}

func put(rows [][]string, cells []string) [][]string {
	for i, row := range rows {
		if row[0] == cells[0] {
			rows[i] = cells
			return rows
		}
	}
	return append(rows, cells)
}

func change(t testing.TB, part string, edit func(rows [][]string) [][]string) {
	t.Helper()
	if os.Getenv(Variable) == "" {
		return
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := changePage(filepath.Join(root, "docs", "reliability.md"), part, edit); err != nil {
		t.Errorf("the page is not written: %v", err)
	}
}

func changePage(path, part string, edit func(rows [][]string) [][]string) error {
	mu.Lock()
	defer mu.Unlock()
	written := page.Part{By: part}
	text, err := written.Read(path)
	if err != nil {
		return err
	}
	rows, err := parse(text)
	if err != nil {
		return err
	}
	return written.Replace(path, page.Table(head, edit(rows)))
}

// parse reads the rows of a table that this package has written.
func parse(text string) (rows [][]string, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|")
		if len(cells) != len(head) {
			return nil, fmt.Errorf("a line that is no row: %q", line)
		}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", `\|`)
		}
		if cells[0] != head[0] && cells[0] != "---" {
			rows = append(rows, cells)
		}
	}
	return rows, nil
}
