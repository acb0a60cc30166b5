package wasm

import (
	"fmt"
	"slices"
)

// RemoveExports returns a copy of the module data without the function exports
// that names lists. Everything else stays byte for byte as it is, also the functions
// themselves. A name that is no function export is an error, so that a list that
// has become stale is noticed.
func RemoveExports(data []byte, names []string) ([]byte, error) {
	m, err := Parse(data)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := m.checkRemovable(name); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return slices.Clone(data), nil
	}
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == exportSection })
	section := m.Sections[at]
	out := slices.Grow([]byte(nil), len(data))
	out = append(out, data[:section.start]...)
	out = append(out, m.exportsWithout(names)...)
	return append(out, data[section.end():]...), nil
}

func (m *Module) checkRemovable(name string) error {
	at := slices.IndexFunc(m.Exports, func(e Export) bool { return e.Name == name })
	if at < 0 {
		return fmt.Errorf("no export named %q", name)
	}
	if kind := m.Exports[at].Kind; kind != Function {
		return fmt.Errorf("export %q is a %s, not a function", name, kind)
	}
	return nil
}

// exportsWithout builds a new export section. The format allows an empty one.
func (m *Module) exportsWithout(names []string) []byte {
	var count uint32
	var entries []byte
	for _, e := range m.Exports {
		if !slices.Contains(names, e.Name) {
			count++
			entries = append(entries, e.raw...)
		}
	}
	body := append(appendUint32(nil, count), entries...)
	section := appendUint32([]byte{exportSection}, uint32(len(body)))
	return append(section, body...)
}
