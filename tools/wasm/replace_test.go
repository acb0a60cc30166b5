package wasm

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// list is a vector of the binary format: how many, and each of them.
func list(entries ...[]byte) []byte {
	return append([]byte{byte(len(entries))}, bytes.Join(entries, nil)...)
}

func imported(name string, typeIndex byte) []byte {
	return append(append([]byte{1, 'm', byte(len(name))}, name...), byte(Function), typeIndex)
}

// code is a function without locals in the code section.
func code(instructions ...byte) []byte {
	return append([]byte{byte(len(instructions) + 2), 0}, append(instructions, opEnd)...)
}

var (
	importedMemory = []byte{1, 'm', 6, 'm', 'e', 'm', 'o', 'r', 'y', byte(Memory), 0, 1}

	// types are () and (i32 i64) i32.
	types = section(typeSection, list([]byte{0x60, 0, 0}, []byte{0x60, 2, 0x7f, 0x7e, 1, 0x7f})...)

	// The imported functions a, b, c and again b have the numbers 0 to 3, two functions of the module 4 and 5.
	importsABCB = section(importSection, list(imported("a", 0), imported("b", 1), importedMemory, imported("c", 0), imported("b", 1))...)
	functions   = section(functionSection, list([]byte{0}, []byte{1})...)
	codes       = section(codeSection, list(
		code(opCall, 0, opCall, 1, opCall, 0x82, 0, opCall, 4, opCall, 3, opCall, 0xc5, 0),
		code(0x41, opCall, 0x1a, opCall, 2), // i32.const 16: no call
	)...)
	// What refers to functions and stays as it is.
	table     = section(elementSection, list([]byte{0, 0x41, 0x80, 0x20, opEnd, 2, 4, 5})...)
	global    = section(globalSection, list([]byte{0x7f, 1, 0x41, 0x7f, opEnd})...)
	start     = section(startSection, 4)
	nameTable = section(customSection, 4, 'n', 'a', 'm', 'e', 0, 2, 1, 'm', 1, 9, 2, 4, 2, 'f', '4', 5, 2, 'f', '5', 2, 1, 0)
	callers   = file(types, importsABCB, functions, global, exports(export("f", Function, 4), export("memory", Memory, 0)),
		start, table, codes, nameTable)
)

// localB takes the place of the imports b and returns 7.
var localB = Local{Module: "m", Name: "b", Type: "(i32 i64) i32", Code: []byte{0x41, 7, opEnd}}

func TestReplaceImports(t *testing.T) {
	out, err := ReplaceImports(callers, []Local{localB})
	if err != nil {
		t.Fatal(err)
	}
	// a and c are now 0 and 1, the two functions in the place of b 2 and 3. The number of c had a byte too many.
	want := file(types,
		section(importSection, list(imported("a", 0), importedMemory, imported("c", 0))...),
		section(functionSection, list([]byte{1}, []byte{1}, []byte{0}, []byte{1})...),
		global, exports(export("f", Function, 4), export("memory", Memory, 0)), start, table,
		section(codeSection, list(
			code(0x41, 7), code(0x41, 7),
			code(opCall, 0, opCall, 2, opCall, 1, opCall, 4, opCall, 3, opCall, 0xc5, 0),
			code(0x41, opCall, 0x1a, opCall, 1),
		)...), nameTable)
	if !bytes.Equal(out, want) {
		t.Errorf("got\n%x, expected\n%x", out, want)
	}
}

// disassemble returns what each function of a module calls, and its code without the numbers of what it calls.
func disassemble(t testing.TB, data []byte) (calls, code []string) {
	t.Helper()
	m, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, i := range m.Imports {
		if i.Kind == Function {
			imports = append(imports, i.Name)
		}
	}
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == codeSection })
	r := &reader{data: m.Sections[at].body}
	for n := r.uint32(); n > 0 && r.err == nil; n-- {
		var called []string
		var rest []byte
		copied := 0
		function := &reader{data: r.bytes(r.uint32())}
		for locals := function.uint32(); locals > 0 && function.err == nil; locals-- {
			function.uint32()
			function.byte()
		}
		skipInstructions(function, func(start, end int, number uint32) {
			name := "#" + strconv.Itoa(int(number))
			if int(number) < len(imports) {
				name = imports[number]
			}
			called = append(called, name)
			rest = append(rest, function.data[copied:start]...)
			copied = end
		})
		r.fail(function.end())
		calls = append(calls, strings.Join(called, " "))
		code = append(code, string(append(rest, function.data[copied:]...)))
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	return calls, code
}

func TestReplaceImportsErrors(t *testing.T) {
	other := func(change func(*Local)) []Local {
		l := localB
		change(&l)
		return []Local{l}
	}
	calling := func(instructions ...byte) []byte {
		return file(types, importsABCB, functions, section(codeSection, list(code(instructions...))...))
	}
	tests := []struct {
		name   string
		data   []byte
		locals []Local
		want   string
	}{
		{"no module", []byte("text"), nil, ErrNotWasm.Error()},
		{"no such import", callers, other(func(l *Local) { l.Name = "d" }), `no import named "d" of "m"`},
		{"other module", callers, other(func(l *Local) { l.Module = "env" }), `no import named "b" of "env"`},
		{"no function", callers, other(func(l *Local) { l.Name = "memory" }), `no import named "memory" of "m"`},
		{"other type", callers, other(func(l *Local) { l.Type = "(i32) i32" }), `import "b" is a function (i32 i64) i32, not (i32) i32`},
		{"no types", file(importsABCB, functions, codes), nil, `import "b" is of type 1, of 0 types`},
		{"type of a structure", file(section(typeSection, 1, 0x5f, 0)), nil, "section 1 at offset 8: type of unknown form 0x5f"},
		{"type with a vector", file(section(typeSection, 1, 0x60, 1, 0x7b, 0)), nil, "section 1 at offset 8: value of unknown type 0x7b"},
		{"no code", file(types, importsABCB, functions), nil, "the module has no functions of its own"},
		{"cut off code", file(types, importsABCB, functions, section(codeSection, 1, 9, 0)), nil, "section 10 at offset 64: unexpected end of data"},
		{"unknown instruction", calling(0xfd, 12), nil, "section 10 at offset 64: code of function 4: unknown instruction 0xfd at offset 1"},
		{"unknown second number", calling(0xfc, 8, 0, 0), nil, "section 10 at offset 64: code of function 4: unknown instruction 0xfc 8 at offset 2"},
		{"alignment", calling(0x28, 0x42, 0, 0), nil, "section 10 at offset 64: code of function 4: unknown alignment 66 at offset 2"},
		{"no end", calling(opBlock, 0x40), nil, "section 10 at offset 64: code of function 4: unexpected end of data"},
		{"code after its end", calling(opEnd), nil, "section 10 at offset 64: code of function 4: 1 bytes too many"},
		{"number of six bytes", calling(0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), nil, "section 10 at offset 64: code of function 4: number at offset 7 has more than 32 bits"},
		{"exported", referring(exports(export("b", Function, 3))), nil, "section 7 at offset 64: it refers to function 3, which is imported"},
		{"start", referring(section(startSection, 1)), nil, "section 8 at offset 64: it refers to function 1, which is imported"},
		{"in a table", referring(section(elementSection, list([]byte{0, 0x41, 0, opEnd, 2, 4, 1})...)), nil, "section 9 at offset 64: it refers to function 1, which is imported"},
		{"elements with a type", referring(section(elementSection, list([]byte{5, 0x70, 1, 0xd2, 1, opEnd})...)), nil, "section 9 at offset 64: elements of unknown form 5"},
		{"global", referring(section(globalSection, list([]byte{0x70, 0, 0xd2, 1, opEnd})...)), nil, "section 6 at offset 64: unknown instruction 0xd2 at offset 3"},
		{"global that calls", referring(section(globalSection, list([]byte{0x7f, 0, opCall, 1, opEnd})...)), nil, "section 6 at offset 64: a constant calls a function"},
		{"named", referring(section(customSection, 4, 'n', 'a', 'm', 'e', 1, 4, 1, 0, 1, 'a')), nil, "section 0 at offset 64: it refers to function 0, which is imported"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			locals := test.locals
			if locals == nil {
				locals = []Local{localB}
			}
			if _, err := ReplaceImports(test.data, locals); err == nil || err.Error() != test.want {
				t.Errorf("got the error %v, expected %s", err, test.want)
			}
		})
	}
}

// referring is a module with a section that refers to an import otherwise than by a call.
func referring(section []byte) []byte { return file(types, importsABCB, functions, section, codes) }

// Each instruction that Go's compiler has, before a call that must be found.
func TestCallsAreFoundAmongInstructions(t *testing.T) {
	tests := map[string][]byte{
		"block":          {opBlock, 0x40, opLoop, 0x7f, opIf, 1, 0x05, opEnd, opEnd, opEnd},
		"branches":       {0x0c, 0, 0x0d, opCall, 0x0e, 2, opCall, 1, 2},
		"call_indirect":  {0x11, opCall, 0},
		"parameters":     {0x1a, 0x1b, 0x00, 0x01, 0x0f},
		"variables":      {0x20, opCall, 0x21, 1, 0x22, 2, 0x23, 3, 0x24, 4},
		"memory":         {0x28, 2, opCall, 0x3e, 0, 0x90, opCall, 0x3f, 0, 0x40, 0},
		"constants":      {0x41, 0x90, 0x7f, 0x42, opCall, 0x43, 1, 2, 3, opCall, 0x44, 1, 2, 3, 4, 5, 6, 7, opCall},
		"long constants": {0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
		"numbers":        {0x45, 0xa0, 0xc4},
		"prefixed":       {0xfc, 0, 0xfc, 7, 0xfc, 10, 0, 0, 0xfc, 11, 0},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			body := slices.Concat([]byte{1, 3, 0x7f}, before, []byte{opCall, 1, opCall, 2, opEnd})
			got, err := renumberCalls(body, []uint32{0, 200})
			if err != nil {
				t.Fatal(err)
			}
			if want := slices.Concat([]byte{1, 3, 0x7f}, before, []byte{opCall, 0xc8, 1, opCall, 2, opEnd}); !bytes.Equal(got, want) {
				t.Errorf("got\n%x, expected\n%x", got, want)
			}
		})
	}
}

// TestFunctionsAreTheLinkers compares all of main.wasm's code with that of the linked file, when both have been built.
func TestFunctionsAreTheLinkers(t *testing.T) {
	linked, err := os.ReadFile("../../build/linked.wasm")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("build/linked.wasm is not built: the test of the plugin fails without it, this one need not")
	}
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := os.ReadFile("../../main.wasm")
	if err != nil {
		t.Fatal(err)
	}
	checkReplaced(t, linked, plugin, []string{"path_filestat_get", "poll_oneoff"})
}

// checkReplaced checks that imports are gone, and that all functions are as before and call what they called.
func checkReplaced(t *testing.T, before, after []byte, names []string) {
	t.Helper()
	old, err := Parse(before)
	if err != nil {
		t.Fatal(err)
	}
	now, err := Parse(after)
	if err != nil {
		t.Fatalf("the result can't be read: %v", err)
	}
	isReplaced := func(i Import) bool { return i.Kind == Function && slices.Contains(names, i.Name) }
	if want := slices.DeleteFunc(slices.Clone(old.Imports), isReplaced); !slices.Equal(now.Imports, want) {
		t.Errorf("got the imports %v, expected %v", now.Imports, want)
	}
	imported, replaced := 0, 0
	for _, i := range old.Imports {
		if i.Kind == Function {
			imported++
		}
		if isReplaced(i) {
			replaced++
		}
	}
	// The functions in the places of imports stand before all others.
	want, wantCode := disassemble(t, before)
	got, gotCode := disassemble(t, after)
	if len(got) != len(want)+replaced {
		t.Fatalf("got %d functions, expected %d and %d", len(got), len(want), replaced)
	}
	for i, code := range gotCode[replaced:] {
		if code != wantCode[i] {
			t.Errorf("function %d differs in more than the numbers of what it calls", imported+i)
		}
	}
	for i, called := range got[replaced:] {
		theirs, ours := strings.Fields(want[i]), strings.Fields(called)
		for at, name := range theirs {
			number, err := strconv.Atoi(strings.TrimPrefix(ours[at], "#"))
			isLocal := err == nil && number < imported && number >= imported-replaced
			if isLocal != slices.Contains(names, name) || !isLocal && ours[at] != name {
				t.Fatalf("function %d calls %q, expected %q without the imports %q", imported+i, ours, theirs, names)
			}
		}
	}
}
