package wasm

import (
	"errors"
	"slices"
)

// withStart copies the module with one more function, which runs first, and another data section.
func (m *Module) withStart(data, body, segments []byte) ([]byte, error) {
	functionType, types, err := m.emptyFunctionType()
	if err != nil {
		return nil, err
	}
	number := m.importedFunctions()
	out := append(slices.Grow([]byte(nil), len(data)), header...)
	hasStart := false
	start := func() {
		if !hasStart {
			out = append(out, encodeSection(startSection, appendUint32(nil, number))...)
		}
		hasStart = true
	}
	for _, s := range m.Sections {
		if s.ID > startSection {
			start()
		}
		switch s.ID {
		case typeSection:
			out = append(out, encodeSection(s.ID, types)...)
		case functionSection:
			count, rest := counted(s.body)
			number += count
			out = append(out, encodeSection(s.ID, appendUint32(append(appendUint32(nil, count+1), rest...), functionType))...)
		case codeSection:
			count, rest := counted(s.body)
			out = append(out, encodeSection(s.ID, appendCode(append(appendUint32(nil, count+1), rest...), body))...)
		case dataSection:
			out = append(out, encodeSection(s.ID, segments)...)
		default:
			out = append(out, data[s.start:s.end()]...)
		}
	}
	return out, nil
}

// emptyFunctionType is the number of the type of functions without parameters and results, and the body of a type
// section that has it.
func (m *Module) emptyFunctionType() (number uint32, body []byte, err error) {
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == typeSection })
	if at < 0 {
		return 0, nil, errors.New("no types")
	}
	types, err := m.functionTypes()
	if err != nil {
		return 0, nil, err
	}
	body = m.Sections[at].body
	if found := slices.Index(types, "()"); found >= 0 {
		return uint32(found), body, nil
	}
	count, rest := counted(body)
	return count, append(append(appendUint32(nil, count+1), rest...), typeFunction, 0, 0), nil
}

// counted splits the number of entries from a section's body.
func counted(body []byte) (count uint32, entries []byte) {
	r := &reader{data: body}
	count = r.uint32()
	return count, body[r.pos:]
}
