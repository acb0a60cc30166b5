package wasm

import (
	"bytes"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
)

// Whatever module is accepted, its functions call what they called before, and what is no section of imports,
// functions or code is the same.
func FuzzReplaceImports(f *testing.F) {
	addModules(func(data []byte) { f.Add(data, "b") })
	for n := range len(callers) + 1 {
		f.Add(callers[:n], "b")
	}
	f.Add(callers, "c")
	f.Add(referring(section(elementSection, list([]byte{0, 0x41, 0, opEnd, 2, 4, 1})...)), "a")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		m, err := Parse(data)
		if err != nil || strings.ContainsAny(name, "# ") {
			return
		}
		types, err := m.functionTypes()
		if err != nil {
			return
		}
		local := Local{Name: name, Code: []byte{0x00, opEnd}}
		for _, i := range m.Imports {
			if i.Kind == Function && i.Name == name && uint64(i.typeIndex) < uint64(len(types)) {
				local.Module, local.Type = i.Module, types[i.typeIndex]
			}
			if strings.ContainsAny(i.Name, "# ") || i.Name == "" || i.Name == name && i.Module != local.Module {
				return // the checks below go by the names
			}
		}
		var out []byte
		fuzzing.InTime(t, len(data), func() { out, err = ReplaceImports(data, []Local{local}) })
		if err != nil {
			return
		}
		checkReplaced(t, data, out, []string{name})
		checkSectionsButThoseOfFunctions(t, m, out)
	})
}

func checkSectionsButThoseOfFunctions(t *testing.T, before *Module, out []byte) {
	t.Helper()
	after, err := Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Sections) != len(before.Sections) {
		t.Fatalf("got %d sections, expected %d", len(after.Sections), len(before.Sections))
	}
	for i, s := range before.Sections {
		switch s.ID {
		case importSection, functionSection, codeSection:
		default:
			if !bytes.Equal(after.Sections[i].body, s.body) {
				t.Errorf("section %d %s has changed", s.ID, s.Name)
			}
		}
	}
}
