package wasm

import (
	"errors"
	"fmt"
	"slices"
)

// Local is a function that a module gets in the place of one that it imports.
type Local struct {
	Module string // of the import, with its name
	Name   string
	Type   string // of both: its parameters and results, such as "(i32 i64) i32"
	Code   []byte // its instructions; the last one is the end
}

// ReplaceImports returns a copy of the module data that has functions of its own in the place of imports. One that
// nothing is imported for, or one of another type, is an error.
//
// In the numbering of functions the imports come first, and everything refers to functions by number. The
// functions that take the places of imports get the numbers right after the imports that stay, so that all
// functions that the module had keep theirs: what changes are the numbers of imports, to which only calls may refer.
func ReplaceImports(data []byte, locals []Local) ([]byte, error) {
	m, err := Parse(data)
	if err != nil {
		return nil, err
	}
	r, err := m.replacement(locals)
	if err != nil {
		return nil, err
	}
	out := slices.Grow(slices.Clone(header), len(data))
	for _, s := range m.Sections {
		body, err := r.section(s)
		if err != nil {
			return nil, fmt.Errorf("section %d at offset %d: %w", s.ID, s.start, err)
		}
		if body == nil {
			out = append(out, data[s.start:s.end()]...)
		} else {
			out = append(out, encodeSection(s.ID, body)...)
		}
	}
	return out, nil
}

// replacement is what becomes of the imports of a module.
type replacement struct {
	kept     []Import // of all kinds
	to       []uint32 // the new number of each imported function
	replaced []int    // those of the imported functions, by their old numbers, that the module gets functions for
	types    []uint32 // indices of their types
	code     [][]byte // bodies of the functions in their places
	exports  []Export
}

func (m *Module) replacement(locals []Local) (*replacement, error) {
	types, err := m.functionTypes()
	if err != nil {
		return nil, err
	}
	if !m.has(functionSection) || !m.has(codeSection) {
		return nil, errors.New("the module has no functions of its own")
	}
	for _, l := range locals {
		if !slices.ContainsFunc(m.Imports, l.replaces) {
			return nil, fmt.Errorf("no import named %q of %q", l.Name, l.Module)
		}
	}
	r := &replacement{exports: m.Exports}
	for _, i := range m.Imports {
		if err := r.add(i, locals, types); err != nil {
			return nil, err
		}
	}
	kept := len(r.to) - len(r.replaced)
	for n, number := range r.replaced {
		r.to[number] = uint32(kept + n)
	}
	return r, nil
}

// add is for one import after the other. The number of one that is replaced is known only when all are.
func (r *replacement) add(i Import, locals []Local, types []string) error {
	number := len(r.to)
	if i.Kind == Function {
		r.to = append(r.to, uint32(number-len(r.replaced)))
	}
	at := slices.IndexFunc(locals, func(l Local) bool { return l.replaces(i) })
	if at < 0 {
		r.kept = append(r.kept, i)
		return nil
	}
	r.replaced = append(r.replaced, number)
	r.types = append(r.types, i.typeIndex)
	r.code = append(r.code, locals[at].body())
	return locals[at].checkType(types, i.typeIndex)
}

func (l Local) replaces(i Import) bool {
	return i.Kind == Function && i.Module == l.Module && i.Name == l.Name
}

func (l Local) checkType(types []string, index uint32) error {
	if uint64(index) >= uint64(len(types)) {
		return fmt.Errorf("import %q is of type %d, of %d types", l.Name, index, len(types))
	}
	if got := types[index]; got != l.Type {
		return fmt.Errorf("import %q is a function %s, not %s", l.Name, got, l.Type)
	}
	return nil
}

// body is the function as it stands in the code section after its size: no locals, instructions.
func (l Local) body() []byte { return append([]byte{0}, l.Code...) }

// section returns the new body of a section, or nil when it stays as it is.
func (r *replacement) section(s Section) ([]byte, error) {
	switch s.ID {
	case importSection:
		return r.importBody(), nil
	case functionSection:
		return r.functionBody(s.body)
	case codeSection:
		return r.codeBody(s.body)
	}
	return nil, r.checkReferences(s)
}

func (r *replacement) importBody() []byte {
	out := appendUint32(nil, uint32(len(r.kept)))
	for _, i := range r.kept {
		out = append(out, i.raw...)
	}
	return out
}

// functionBody is a list of the functions' types.
func (r *replacement) functionBody(body []byte) ([]byte, error) {
	old := &reader{data: body}
	out := appendUint32(nil, old.uint32()+uint32(len(r.types)))
	for _, index := range r.types {
		out = appendUint32(out, index)
	}
	return append(out, body[old.pos:]...), old.err
}

func (r *replacement) codeBody(body []byte) ([]byte, error) {
	old := &reader{data: body}
	count := old.uint32()
	out := appendUint32(slices.Grow([]byte(nil), len(body)), count+uint32(len(r.code)))
	for _, code := range r.code {
		out = appendCode(out, code)
	}
	for n := uint32(0); n < count && old.err == nil; n++ {
		code, err := renumberCalls(old.bytes(old.uint32()), r.to)
		if old.err == nil && err != nil {
			return nil, fmt.Errorf("code of function %d: %w", uint32(len(r.to))+n, err)
		}
		out = appendCode(out, code)
	}
	return out, old.end()
}

func appendCode(out, code []byte) []byte {
	return append(appendUint32(out, uint32(len(code))), code...)
}
