package wasm

import (
	"fmt"
	"slices"
	"strings"
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
		if err := m.checkFunction(name); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return slices.Clone(data), nil
	}
	return m.withExports(data, slices.DeleteFunc(slices.Clone(m.Exports), func(e Export) bool {
		return slices.Contains(names, e.Name)
	})), nil
}

// OverrideExports returns a copy of the module data in which each function export whose name
// begins with prefix has taken the place of the one that is named as its rest. It is an
// error when there is none with that prefix, or none to replace.
func OverrideExports(data []byte, prefix string) ([]byte, error) {
	m, err := Parse(data)
	if err != nil {
		return nil, err
	}
	overridden, err := m.overridden(prefix)
	if err != nil {
		return nil, err
	}
	var exports []Export
	for _, e := range m.Exports {
		if name, overrides := strings.CutPrefix(e.Name, prefix); overrides {
			exports = append(exports, e.renamed(name))
		} else if !slices.Contains(overridden, e.Name) {
			exports = append(exports, e)
		}
	}
	return m.withExports(data, exports), nil
}

// overridden returns the names of the exports that give their places away.
func (m *Module) overridden(prefix string) ([]string, error) {
	var names []string
	for _, e := range m.Exports {
		name, overrides := strings.CutPrefix(e.Name, prefix)
		if !overrides {
			continue
		}
		if err := m.checkFunction(e.Name); err != nil {
			return nil, err
		}
		if err := m.checkFunction(name); err != nil {
			return nil, fmt.Errorf("nothing to override by %q: %w", e.Name, err)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no export has the prefix %q", prefix)
	}
	return names, nil
}

func (m *Module) checkFunction(name string) error {
	at := slices.IndexFunc(m.Exports, func(e Export) bool { return e.Name == name })
	if at < 0 {
		return fmt.Errorf("no export named %q", name)
	}
	if kind := m.Exports[at].Kind; kind != Function {
		return fmt.Errorf("export %q is a %s, not a function", name, kind)
	}
	return nil
}

func (e Export) renamed(name string) Export {
	raw := append(appendUint32(nil, uint32(len(name))), name...)
	return Export{Name: name, Kind: e.Kind, index: e.index, raw: append(raw, e.raw[e.afterName:]...)}
}

// withExports copies the module with another export section; it has one.
func (m *Module) withExports(data []byte, exports []Export) []byte {
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == exportSection })
	section := m.Sections[at]
	out := slices.Grow([]byte(nil), len(data))
	out = append(out, data[:section.start]...)
	out = append(out, encodeExports(exports)...)
	return append(out, data[section.end():]...)
}

// encodeExports makes an export section. The format allows an empty one.
func encodeExports(exports []Export) []byte {
	body := appendUint32(nil, uint32(len(exports)))
	for _, e := range exports {
		body = append(body, e.raw...)
	}
	return encodeSection(exportSection, body)
}

func encodeSection(id byte, body []byte) []byte {
	return append(appendUint32([]byte{id}, uint32(len(body))), body...)
}
