// Package wasm reads the exports and imports of a WebAssembly module, removes and
// overrides exports, and puts functions in the place of imports. It knows as much of the binary format as that needs:
// https://webassembly.github.io/spec/core/binary/modules.html
package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// header is the magic number and the version of every core module.
var header = []byte("\x00asm\x01\x00\x00\x00")

// ErrNotWasm says that the input does not start like a WebAssembly module.
var ErrNotWasm = errors.New("not a WebAssembly module of version 1")

// Kind says what an export or import is.
type Kind byte

// Kinds of exports and imports.
const (
	Function Kind = 0
	Table    Kind = 1
	Memory   Kind = 2
	Global   Kind = 3
	Tag      Kind = 4
)

func (k Kind) String() string {
	if names := []string{"function", "table", "memory", "global", "tag"}; int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Numbers of the sections that are known; Parse reads three of them and only measures all others.
const (
	customSection   = 0
	typeSection     = 1
	importSection   = 2
	functionSection = 3
	globalSection   = 6
	exportSection   = 7
	startSection    = 8
	elementSection  = 9
	codeSection     = 10
	dataSection     = 11
)

// Module is what Parse found.
type Module struct {
	Sections []Section // in the order of the file
	Imports  []Import  // in the order of the file
	Exports  []Export  // in the order of the file: hosts go by the first ABI marker among them
}

// Section is one section of the file.
type Section struct {
	ID   byte
	Name string // of a custom section, else empty
	Size int    // in bytes, with the section's own header

	start int    // offset of its first byte in the file
	body  []byte // what comes after its number and size
}

func (s Section) end() int { return s.start + s.Size }

// Import is something that the host must bring.
type Import struct {
	Module string
	Name   string
	Kind   Kind

	typeIndex uint32 // of a function
	raw       string // the whole entry, as it stands in the file
}

// Export is something that the host can reach.
type Export struct {
	Name string
	Kind Kind

	index     uint32 // among all that is of its kind, with the imports first
	raw       []byte // the whole entry, as it stands in the file
	afterName int    // where in raw the name ends
}

// Parse reads a module. It checks the structure only as far as it reads it: code
// is not looked at.
func Parse(data []byte) (*Module, error) {
	if !bytes.HasPrefix(data, header) {
		return nil, ErrNotWasm
	}
	m := &Module{}
	r := &reader{data: data, pos: len(header)}
	for !r.done() {
		section := readSection(r)
		if r.err != nil {
			return nil, fmt.Errorf("section at offset %d: %w", section.start, r.err)
		}
		if section.ID != customSection && m.has(section.ID) {
			return nil, fmt.Errorf("section %d at offset %d: there is one already", section.ID, section.start)
		}
		if err := m.readBody(&section); err != nil {
			return nil, fmt.Errorf("section %d at offset %d: %w", section.ID, section.start, err)
		}
		m.Sections = append(m.Sections, section)
	}
	return m, nil
}

func (m *Module) has(id byte) bool {
	return slices.ContainsFunc(m.Sections, func(s Section) bool { return s.ID == id })
}

func readSection(r *reader) Section {
	section := Section{start: r.pos}
	section.ID = r.byte()
	section.body = r.bytes(r.uint32())
	section.Size = r.pos - section.start
	return section
}

// readBody reads the sections it knows to their last byte; what a custom section
// holds after its name is its own matter.
func (m *Module) readBody(section *Section) error {
	r := &reader{data: section.body}
	switch section.ID {
	case customSection:
		section.Name = r.name()
		return r.err
	case importSection:
		for n := r.uint32(); n > 0 && r.err == nil; n-- {
			m.Imports = append(m.Imports, readImport(r))
		}
	case exportSection:
		for n := r.uint32(); n > 0 && r.err == nil; n-- {
			m.Exports = append(m.Exports, readExport(r))
		}
	default:
		return nil
	}
	return r.end()
}

func readExport(r *reader) Export {
	start := r.pos
	e := Export{Name: r.name()}
	e.afterName = r.pos - start
	e.Kind = Kind(r.byte())
	e.index = r.uint32()
	e.raw = r.data[start:r.pos]
	return e
}

func readImport(r *reader) Import {
	start := r.pos
	i := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
	switch i.Kind {
	case Function:
		i.typeIndex = r.uint32()
	case Table:
		r.byte() // type of its elements
		skipLimits(r)
	case Memory:
		skipLimits(r)
	case Global:
		r.bytes(2) // type and mutability
	case Tag:
		r.byte() // attribute
		r.uint32()
	default:
		r.fail(fmt.Errorf("import %q is of unknown %s", i.Name, i.Kind))
	}
	i.raw = string(r.data[start:r.pos])
	return i
}

func skipLimits(r *reader) {
	const hasMaximum, is64Bit = 1, 4
	flags, bits := r.byte(), uint(32)
	if flags&is64Bit != 0 {
		bits = 64
	}
	r.leb128(bits)
	if flags&hasMaximum != 0 {
		r.leb128(bits)
	}
}
