package wasm

import (
	"errors"
	"slices"
)

// nameSection is a custom section; the names of functions are a part of it.
const (
	nameSection   = "name"
	functionNames = 1
)

// trap is the body of a function that ends its VM: no locals, unreachable, end.
var trap = []byte{0x00, 0x00, 0x0b}

// ReplaceFunctions returns a copy of the module data in which each function traps as soon as it is called whose name
// isReplaced reports, and how many those are. Everything else stays as it is, the names too: a host that reports
// the trap names the function.
func ReplaceFunctions(data []byte, isReplaced func(name string) bool) (out []byte, count int, err error) {
	m, err := Parse(data)
	if err != nil {
		return nil, 0, err
	}
	code := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == codeSection })
	if code < 0 {
		return nil, 0, errors.New("no code")
	}
	names, err := m.functionNames(data)
	if err != nil {
		return nil, 0, err
	}
	section := m.Sections[code]
	r := section.reader(data)
	functions := r.uint32()
	bodies := appendUint32(nil, functions)
	for number := m.importedFunctions(); functions > 0 && r.err == nil; functions-- {
		body := r.bytes(r.uint32())
		if name, hasName := names[number]; hasName && isReplaced(name) {
			body = trap
			count++
		}
		bodies = append(appendUint32(bodies, uint32(len(body))), body...)
		number++
	}
	if r.err == nil && r.pos != len(r.data) {
		r.fail(errors.New("bytes after the last function"))
	}
	if r.err != nil {
		return nil, 0, r.err
	}
	out = append(slices.Grow([]byte(nil), len(data)), data[:section.start]...)
	out = append(out, encodeSection(codeSection, bodies)...)
	return append(out, data[section.end():]...), count, nil
}

// FunctionNames are the names that the module gives to its functions, for messages about them.
func FunctionNames(data []byte) ([]string, error) {
	m, err := Parse(data)
	if err != nil {
		return nil, err
	}
	names, err := m.functionNames(data)
	var list []string
	for _, name := range names {
		list = append(list, name)
	}
	return list, err
}

// functionNames by the functions' numbers, which begin with the imported ones.
func (m *Module) functionNames(data []byte) (map[uint32]string, error) {
	names := map[uint32]string{}
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == customSection && s.Name == nameSection })
	if at < 0 {
		return names, nil
	}
	r := m.Sections[at].reader(data)
	r.name() // of the section
	for !r.done() {
		kind := r.byte()
		part := &reader{data: r.bytes(r.uint32())}
		if kind != functionNames {
			continue
		}
		for count := part.uint32(); count > 0 && part.err == nil; count-- {
			number := part.uint32()
			names[number] = part.name()
		}
		r.err = errors.Join(r.err, part.err)
	}
	return names, r.err
}

func (m *Module) importedFunctions() (count uint32) {
	for _, i := range m.Imports {
		if i.Kind == Function {
			count++
		}
	}
	return count
}

// reader reads what the section holds after its own header.
func (s Section) reader(data []byte) *reader {
	r := &reader{data: data[s.start:s.end()]}
	r.byte()
	r.uint32()
	return r
}
