package page

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const before, after = "# Title\n\nText.\n\n", "\nMore text.\n"
	const begin, end = "<!-- written by a test: begin -->\n", "<!-- written by a test: end -->\n"
	if err := os.WriteFile(path, []byte(before+begin+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
	part := Part{By: "a test"}
	for _, row := range []Row{
		{"first | one", "a", "1", "make a"},
		{"second", "b", "2", "make b"},
		{"first | one", "c", "3\n4", "make c"},
	} {
		table, err := part.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := part.Replace(path, put(table, row)); err != nil {
			t.Fatal(err)
		}
	}
	const want = before + begin + "\n| fault | what the gateway does | measured | command |\n| --- | --- | --- | --- |\n" +
		"| first \\| one | c | 3 4 | `make c` |\n| second | b | 2 | `make b` |\n\n" + end + after
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if err := (Part{By: "another test"}).Replace(path, ""); err == nil {
		t.Error("a part that the page does not have was written")
	}
}

func TestNotWanted(t *testing.T) {
	t.Setenv("RELIABILITY_PAGE", "")
	WriteRows(t, "a part that no page has", Row{}) // would fail the test
}
