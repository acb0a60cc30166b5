package page

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"token-fetch/e2e/harness"
)

// Row is one line of a table of docs/reliability.md.
type Row struct {
	Fault    string // what goes wrong; names the row
	Gateway  string // what the gateway does then
	Measured string // figures: counts, times, memory
	Command  string // that measures it again
}

var head = []string{"fault", "what the gateway does", "measured", "command"}

func (r Row) cells() []string {
	return []string{cell(r.Fault), r.Gateway, cell(r.Measured), "`" + r.Command + "`"}
}

// cell keeps a text from ending its cell.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

// isWanted is true when tests are asked to write what they have measured; otherwise they leave the pages alone.
func isWanted() bool { return os.Getenv("RELIABILITY_PAGE") != "" }

// WriteRows writes a part of docs/reliability.md for a test that knows all its rows, if that is wanted.
func WriteRows(t testing.TB, part string, rows ...Row) {
	t.Helper()
	var cells [][]string
	for _, row := range rows {
		cells = append(cells, row.cells())
	}
	edit(t, part, func(string) string { return Table(head, cells) })
}

// Tried writes a row into the table of what single tests have measured, if that is wanted. The row is named by what
// and the part of the test, and takes the place of an earlier one of that name.
func Tried(t testing.TB, what, gateway, measured string) {
	t.Helper()
	test, part, isPart := strings.Cut(t.Name(), "/")
	if isPart {
		what += ": " + strings.ReplaceAll(part, "_", " ")
	}
	row := Row{what, gateway, measured, "go -C e2e test -v -run " + test + " ./..."}
	edit(t, "make reliability", func(table string) string { return put(table, row) })
}

// put takes the place of the row of that name, or comes last.
func put(table string, row Row) string {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if len(lines) < 2 {
		return Table(head, [][]string{row.cells()})
	}
	line := "| " + strings.Join(row.cells(), " | ") + " |"
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| "+cell(row.Fault)+" | ") })
	if i >= 0 {
		lines[i] = line
	} else {
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// WriteFile writes a file of docs/, if that is wanted.
func WriteFile(t testing.TB, name string, content []byte) error {
	t.Helper()
	if !isWanted() {
		return nil
	}
	return os.WriteFile(filepath.Join(harness.Root(t), "docs", name), content, 0o644)
}

var mu sync.Mutex // guards the page against tests that run side by side

func edit(t testing.TB, by string, change func(table string) string) {
	t.Helper()
	if !isWanted() {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	part, path := Part{By: by}, filepath.Join(harness.Root(t), "docs", "reliability.md")
	table, err := part.Read(path)
	if err == nil {
		err = part.Replace(path, change(table))
	}
	if err != nil {
		t.Errorf("the page is not written: %v", err)
	}
}
