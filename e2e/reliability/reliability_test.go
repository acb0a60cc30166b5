package reliability

import (
	"os"
	"path/filepath"
	"testing"
)

func TestChangePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const before, after = "# Title\n\nText.\n\n", "\nMore text.\n"
	const begin, end = "<!-- written by a test: begin -->\n", "<!-- written by a test: end -->\n"
	if err := os.WriteFile(path, []byte(before+begin+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := []Row{
		{"first | one", "a", "1", "make a"},
		{"second", "b", "2", "make b"},
		{"first | one", "c\nd", "3", "make c"},
	}
	for _, row := range steps {
		err := changePage(path, "a test", func(rows [][]string) [][]string { return put(rows, row.cells()) })
		if err != nil {
			t.Fatal(err)
		}
	}
	const want = before + begin + "\n| fault | what the gateway does | measured | command |\n| --- | --- | --- | --- |\n" +
		"| first \\| one | c d | 3 | `make c` |\n| second | b | 2 | `make b` |\n\n" + end + after
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	none := func(rows [][]string) [][]string { return rows }
	if err := changePage(path, "another test", none); err == nil {
		t.Error("a part that the page does not have was written")
	}
}

func TestNotAsked(t *testing.T) {
	t.Setenv(Variable, "")
	Record(t, "a part that no page has", Row{}) // would fail the test
}
