package wasm

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// file puts a module together from whole sections.
func file(sections ...[]byte) []byte {
	return append(slices.Clone(header), bytes.Join(sections, nil)...)
}

func section(id byte, body ...byte) []byte {
	return append(appendUint32([]byte{id}, uint32(len(body))), body...)
}

func export(name string, kind Kind, index byte) []byte {
	return append(append([]byte{byte(len(name))}, name...), byte(kind), index)
}

func exports(entries ...[]byte) []byte {
	return section(exportSection, append([]byte{byte(len(entries))}, bytes.Join(entries, nil)...)...)
}

// imports has one import of each kind, with limits of each form.
var imports = section(importSection,
	6,
	1, 'm', 1, 'f', byte(Function), 0x80, 0x01,
	1, 'm', 1, 't', byte(Table), 0x70, 0x01, 2, 3,
	1, 'm', 1, 'a', byte(Memory), 0x00, 2,
	1, 'm', 1, 'b', byte(Memory), 0x05, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 9,
	1, 'm', 1, 'g', byte(Global), 0x7f, 0x01,
	1, 'm', 1, 'e', byte(Tag), 0x00, 0x05,
)

var sample = file(
	section(customSection, 1, 'x', 0xff, 0xff),
	imports,
	exports(export("first", Function, 3), export("memory", Memory, 0), export("second", Function, 4)),
	section(10, 0xde, 0xad),
	section(customSection, 4, 'n', 'a', 'm', 'e'),
)

func TestParse(t *testing.T) {
	m, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, i := range m.Imports {
		found = append(found, i.Module+"."+i.Name+" "+i.Kind.String())
	}
	for _, e := range m.Exports {
		found = append(found, e.Name+" "+e.Kind.String())
	}
	want := []string{"m.f function", "m.t table", "m.a memory", "m.b memory", "m.g global", "m.e tag",
		"first function", "memory memory", "second function"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	size := len(header)
	for _, s := range m.Sections {
		size += s.Size
	}
	if size != len(sample) {
		t.Errorf("the sections have %d bytes, want %d", size, len(sample))
	}
	if name := m.Sections[4].Name; name != "name" {
		t.Errorf("last section is %q, want name", name)
	}
}

func TestParseErrors(t *testing.T) {
	long := []byte{exportSection, 0xff, 0xff, 0xff, 0xff, 0x0f}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a WebAssembly module of version 1"},
		{"text", []byte("#!/bin/sh\n"), "not a WebAssembly module of version 1"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "not a WebAssembly module of version 1"},
		{"no size", file([]byte{exportSection}), "section at offset 8: unexpected end of data"},
		{"size past the end", file(long), "section at offset 8: unexpected end of data"},
		{"size of 33 bits", file([]byte{exportSection, 0xff, 0xff, 0xff, 0xff, 0x1f}), "section at offset 8: number at offset 14 has more than 32 bits"},
		{"size of six bytes", file([]byte{exportSection, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}), "section at offset 8: number at offset 14 has more than 32 bits"},
		{"two export sections", file(exports(), exports()), "section 7 at offset 11: there is one already"},
		{"more exports than entries", file(section(exportSection, 2, 1, 'f', 0, 0)), "section 7 at offset 8: unexpected end of data"},
		{"fewer exports than entries", file(section(exportSection, 0, 1, 'f', 0, 0)), "section 7 at offset 8: 4 bytes too many"},
		{"name past the end", file(section(exportSection, 1, 9, 'f', 0, 0)), "section 7 at offset 8: unexpected end of data"},
		{"unknown import", file(section(importSection, 1, 1, 'm', 1, 'f', 9)), `section 2 at offset 8: import "f" is of unknown kind 9`},
		{"custom section without name", file(section(customSection)), "section 0 at offset 8: unexpected end of data"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse(test.data); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if _, err := RemoveExports(test.data, nil); err == nil {
				t.Error("RemoveExports has no error")
			}
		})
	}
}

// A file cut off anywhere is an error, unless the cut is between two sections.
func TestParseTruncated(t *testing.T) {
	whole, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	boundaries := []int{len(header)}
	for _, s := range whole.Sections {
		boundaries = append(boundaries, s.end())
	}
	for n := range len(sample) + 1 {
		_, err := Parse(sample[:n])
		if want := slices.Contains(boundaries, n); (err == nil) != want {
			t.Errorf("cut to %d bytes: error %v, want none: %t", n, err, want)
		}
	}
}

func TestRemoveExports(t *testing.T) {
	out, err := RemoveExports(sample, []string{"first", "first"})
	if err != nil {
		t.Fatal(err)
	}
	want := file(
		section(customSection, 1, 'x', 0xff, 0xff),
		imports,
		exports(export("memory", Memory, 0), export("second", Function, 4)),
		section(10, 0xde, 0xad),
		section(customSection, 4, 'n', 'a', 'm', 'e'),
	)
	if !bytes.Equal(out, want) {
		t.Errorf("result is\n%x, want\n%x", out, want)
	}
}

// Go's linker pads the size of a section to five bytes.
func TestRemoveExportsPaddedSize(t *testing.T) {
	data := file([]byte{exportSection, 0x85, 0x80, 0x80, 0x80, 0x00, 1, 1, 'f', byte(Function), 2})
	out, err := RemoveExports(data, []string{"f"})
	if err != nil {
		t.Fatal(err)
	}
	if want := file(exports()); !bytes.Equal(out, want) {
		t.Errorf("result is %x, want %x", out, want)
	}
}

func TestRemoveExportsNothing(t *testing.T) {
	out, err := RemoveExports(sample, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, sample) {
		t.Error("the module has changed")
	}
	out[0] = 'x'
	if sample[0] != 0 {
		t.Error("the result is the input and not a copy of it")
	}
}

func TestRemoveExportsErrors(t *testing.T) {
	tests := []struct {
		name   string
		data   []byte
		remove string
		want   string
	}{
		{"not there", sample, "third", `no export named "third"`},
		{"no export section", file(), "first", `no export named "first"`},
		{"not a function", sample, "memory", `export "memory" is a memory, not a function`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := RemoveExports(test.data, []string{test.remove}); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	if _, err := RemoveExports([]byte("text"), []string{"first"}); !errors.Is(err, ErrNotWasm) {
		t.Errorf("error %v, want %v", err, ErrNotWasm)
	}
}

func TestOverrideExports(t *testing.T) {
	data := file(imports, exports(
		export("own_first", Function, 7), export("first", Function, 3), export("memory", Memory, 0),
		export("second", Function, 4), export("own_second", Function, 100)), section(10, 0xde, 0xad))
	out, err := OverrideExports(data, "own_")
	if err != nil {
		t.Fatal(err)
	}
	want := file(imports, exports(
		export("first", Function, 7), export("memory", Memory, 0), export("second", Function, 100)), section(10, 0xde, 0xad))
	if !bytes.Equal(out, want) {
		t.Errorf("result is\n%x, want\n%x", out, want)
	}
}

func TestOverrideExportsErrors(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"no such prefix", sample, `no export has the prefix "own_"`},
		{"nothing to override", file(exports(export("own_first", Function, 1))), `nothing to override by "own_first": no export named "first"`},
		{"no function", file(exports(export("own_first", Global, 1), export("first", Function, 2))), `export "own_first" is a global, not a function`},
		{"overrides no function", file(exports(export("own_first", Function, 1), export("first", Memory, 2))), `nothing to override by "own_first": export "first" is a memory, not a function`},
		{"no module", []byte("text"), ErrNotWasm.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := OverrideExports(test.data, "own_"); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}
