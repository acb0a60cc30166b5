package wasm

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// The functions a and b behind the one that imports has, and their names.
var (
	twoBodies = section(codeSection, 2, 4, 0x00, 0x41, 0x07, 0x0b, 2, 0x00, 0x0b)
	bodyNames = section(customSection, append([]byte{4, 'n', 'a', 'm', 'e'},
		0, 2, 1, 'm', // of the module
		1, 10, 3, 0, 1, 'f', 1, 1, 'a', 2, 1, 'b',
		2, 1, 0, // of locals
	)...)
	behind = section(customSection, 1, 'x', 0xff)
)

func TestReplaceFunctions(t *testing.T) {
	original := file(imports, twoBodies, bodyNames, behind)
	tests := map[string]struct {
		replaced string
		want     []byte
		count    int
	}{
		"none":              {"c", twoBodies, 0},
		"an imported one":   {"f", twoBodies, 0},
		"the first":         {"a", section(codeSection, 2, 3, 0x00, 0x00, 0x0b, 2, 0x00, 0x0b), 1},
		"the last":          {"b", section(codeSection, 2, 4, 0x00, 0x41, 0x07, 0x0b, 3, 0x00, 0x00, 0x0b), 1},
		"all that have one": {"abf", section(codeSection, 2, 3, 0x00, 0x00, 0x0b, 3, 0x00, 0x00, 0x0b), 2},
	}
	for name, test := range tests {
		out, count, err := ReplaceFunctions(original, func(name string) bool { return strings.Contains(test.replaced, name) })
		if err != nil || count != test.count || !bytes.Equal(out, file(imports, test.want, bodyNames, behind)) {
			t.Errorf("%s: got %d functions in % x and %v, expected %d in % x", name, count, out, err, test.count, test.want)
		}
	}
}

func TestFunctionsThatCannotBeReplaced(t *testing.T) {
	tests := map[string]struct {
		data []byte
		want string
	}{
		"no module":           {[]byte("PK"), "not a WebAssembly module of version 1"},
		"no code":             {file(imports, bodyNames), "no code"},
		"code that is cut":    {file(section(codeSection, 2, 4, 0x00, 0x0b), bodyNames), "unexpected end of data"},
		"code after the last": {file(section(codeSection, 1, 2, 0x00, 0x0b, 0x00), bodyNames), "bytes after the last function"},
		"names that are cut":  {file(twoBodies, section(customSection, 4, 'n', 'a', 'm', 'e', 1, 3, 5, 0, 1)), "unexpected end of data"},
	}
	for name, test := range tests {
		if _, _, err := ReplaceFunctions(test.data, func(string) bool { return true }); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, expected %s", name, err, test.want)
		}
	}
	if out, count, err := ReplaceFunctions(file(imports, twoBodies), func(string) bool { return true }); err != nil || count != 0 || !bytes.Equal(out, file(imports, twoBodies)) {
		t.Errorf("without names: got %d functions in % x and %v, expected no change", count, out, err)
	}
}

func TestFunctionNames(t *testing.T) {
	names, err := FunctionNames(file(imports, twoBodies, bodyNames))
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "b", "f"}) {
		t.Errorf("got %q and %v", names, err)
	}
}

// Whatever is accepted keeps its functions, and the rest byte for byte.
func FuzzReplaceFunctions(f *testing.F) {
	addModules(func(data []byte) { f.Add(data) })
	f.Add(file(imports, twoBodies, bodyNames, behind))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, _, err := ReplaceFunctions(data, func(name string) bool { return name != "a" })
		if err != nil {
			return
		}
		before, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse(out)
		if err != nil || len(after.Sections) != len(before.Sections) {
			t.Fatalf("got %d sections and %v, expected %d", len(after.Sections), err, len(before.Sections))
		}
		for i, s := range before.Sections {
			now := after.Sections[i]
			if s.ID != codeSection && !bytes.Equal(data[s.start:s.end()], out[now.start:now.end()]) {
				t.Errorf("section %d %s has changed", s.ID, s.Name)
			}
		}
	})
}
