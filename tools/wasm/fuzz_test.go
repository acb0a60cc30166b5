package wasm

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
)

// addModules are seeds: whole modules, and every beginning of one.
func addModules(add func(data []byte)) {
	for n := range len(sample) + 1 {
		add(sample[:n])
	}
	add([]byte(strings.Repeat("\xff", 64)))
	add(file(section(exportSection, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'f', 0, 0)))
	add(file([]byte{exportSection, 0x85, 0x80, 0x80, 0x80, 0x00, 1, 1, 'f', byte(Function), 2}))
}

// Whatever is accepted has been read to its last byte, and nothing is made up.
func FuzzParse(f *testing.F) {
	addModules(func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *Module
		var err error
		fuzzing.InTime(t, len(data), func() { m, err = Parse(data) })
		if err != nil {
			return
		}
		at := len(header)
		for i, s := range m.Sections {
			if s.start != at || s.Size < 2 {
				t.Fatalf("section %d is %d bytes at %d, expected it to begin at %d", i, s.Size, s.start, at)
			}
			at = s.end()
		}
		if at != len(data) {
			t.Errorf("the sections end at %d, expected %d", at, len(data))
		}
		for _, e := range m.Exports {
			if !bytes.Contains(data, e.raw) || !bytes.Contains(e.raw, []byte(e.Name)) {
				t.Errorf("export %q is not in the file", e.Name)
			}
		}
		if least := 3 * (len(m.Imports) + len(m.Exports)); least > len(data) {
			t.Errorf("%d imports and %d exports in %d bytes", len(m.Imports), len(m.Exports), len(data))
		}
	})
}

// What is read before and after an export was removed differs in nothing else.
func FuzzRemoveExports(f *testing.F) {
	addModules(func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := Parse(data)
		if err != nil {
			return
		}
		at := slices.IndexFunc(before.Exports, func(e Export) bool { return e.Kind == Function })
		if at < 0 {
			return
		}
		removed := before.Exports[at].Name
		out, err := RemoveExports(data, []string{removed})
		if err != nil {
			// The name may stand twice, and for something else first.
			if !strings.Contains(err.Error(), "not a function") {
				t.Fatal(err)
			}
			return
		}
		after, err := Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		checkRemoved(t, before, after, removed)
	})
}

// Exports with the prefix take the places of those named as their rest, and all others stay.
func FuzzOverrideExports(f *testing.F) {
	both := exports(export("own_f", Function, 7), export("f", Function, 3), export("memory", Memory, 0), export("own_own_f", Function, 9))
	addModules(func(data []byte) { f.Add(data, "own_") })
	f.Add(file(imports, both, section(10, 0xde, 0xad)), "own_")
	f.Add(file(both, section(customSection, 1, 'x')), "own_own_")
	f.Add(sample, "")
	f.Fuzz(func(t *testing.T, data []byte, prefix string) {
		out, err := OverrideExports(data, prefix)
		if err != nil {
			return
		}
		before, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse(out)
		if err != nil {
			t.Fatalf("the result can't be read: %v", err)
		}
		want := namesOverridden(before, prefix)
		if got := names(after); !slices.Equal(got, want) {
			t.Errorf("got exports %q, expected %q", got, want)
		}
		if unique(names(before)) && !unique(names(after)) {
			t.Errorf("exports %q: a name stands twice, before it did not", names(after))
		}
		checkOtherSections(t, data, out, before, after)
	})
}

func namesOverridden(m *Module, prefix string) []string {
	overridden := map[string]bool{}
	for _, e := range m.Exports {
		if name, found := strings.CutPrefix(e.Name, prefix); found {
			overridden[name] = true
		}
	}
	var list []string
	for _, e := range m.Exports {
		switch name, found := strings.CutPrefix(e.Name, prefix); {
		case found:
			list = append(list, name)
		case !overridden[e.Name]:
			list = append(list, e.Name)
		}
	}
	return list
}

func unique(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) == len(list)
}

func checkOtherSections(t *testing.T, data, out []byte, before, after *Module) {
	t.Helper()
	if len(after.Sections) != len(before.Sections) {
		t.Fatalf("got %d sections, expected %d", len(after.Sections), len(before.Sections))
	}
	for i, s := range before.Sections {
		old, now := data[s.start:s.end()], out[after.Sections[i].start:after.Sections[i].end()]
		if s.ID != exportSection && !bytes.Equal(old, now) {
			t.Errorf("section %d %s has changed", s.ID, s.Name)
		}
	}
}
