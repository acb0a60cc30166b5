package wasm

import (
	"errors"
	"fmt"
	"strings"
)

// functionTypes reads the types that the functions of the module have.
func (m *Module) functionTypes() ([]string, error) {
	for _, s := range m.Sections {
		if s.ID != typeSection {
			continue
		}
		r := &reader{data: s.body}
		var types []string
		for n := r.uint32(); n > 0 && r.err == nil; n-- {
			types = append(types, readFunctionType(r))
		}
		if err := r.end(); err != nil {
			return nil, fmt.Errorf("section %d at offset %d: %w", s.ID, s.start, err)
		}
		return types, nil
	}
	return nil, nil
}

func readFunctionType(r *reader) string {
	const isFunction = 0x60
	if form := r.byte(); r.err == nil && form != isFunction {
		r.fail(fmt.Errorf("type of unknown form %#02x", form))
	}
	parameters := readValueTypes(r)
	results := readValueTypes(r)
	return strings.TrimSpace("(" + parameters + ") " + results)
}

func readValueTypes(r *reader) string {
	names := map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64"}
	var list []string
	for _, b := range r.bytes(r.uint32()) {
		name, known := names[b]
		if !known {
			r.fail(fmt.Errorf("value of unknown type %#02x", b))
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// checkReferences reports a reference to an imported function that is not a call. Go's linker makes none: its table
// and its exports have functions with Go code, and its names too.
func (r *replacement) checkReferences(s Section) error {
	in := &reader{data: s.body}
	switch {
	case s.ID == exportSection:
		for _, e := range r.exports {
			if e.Kind == Function {
				r.check(in, e.index)
			}
		}
		return in.err
	case s.ID == startSection:
		r.check(in, in.uint32())
	case s.ID == globalSection:
		for n := in.uint32(); n > 0 && in.err == nil; n-- {
			in.bytes(2) // type and mutability
			skipConstantExpression(in)
		}
	case s.ID == elementSection:
		for n := in.uint32(); n > 0 && in.err == nil; n-- {
			r.checkElements(in)
		}
	case s.ID == customSection && s.Name == "name":
		return r.checkNames(in)
	default:
		return nil
	}
	return in.end()
}

// check is for the number of a function that the reader has just read.
func (r *replacement) check(in *reader, number uint32) {
	if uint64(number) < uint64(len(r.to)) {
		in.fail(fmt.Errorf("it refers to function %d, which is imported", number))
	}
}

// checkElements reads functions of a table. Of the eight forms that they can have, Go's linker writes the oldest.
func (r *replacement) checkElements(in *reader) {
	if form := in.uint32(); in.err == nil && form != 0 {
		in.fail(fmt.Errorf("elements of unknown form %d", form))
	}
	skipConstantExpression(in) // where in the table
	for n := in.uint32(); n > 0 && in.err == nil; n-- {
		r.check(in, in.uint32())
	}
}

// skipConstantExpression reads what computes the first value of a global or a place in a table. A reference to a
// function is not among the instructions that are known.
func skipConstantExpression(in *reader) {
	skipInstructions(in, func(int, int, uint32) { in.fail(errors.New("a constant calls a function")) })
}

// checkNames reads the numbers and names of functions, for debuggers and stack traces, and leaves other names alone.
// https://webassembly.github.io/spec/core/appendix/custom.html#name-section
func (r *replacement) checkNames(in *reader) error {
	const functionNames = 1
	in.name() // of the section
	for !in.done() {
		id := in.byte()
		part := &reader{data: in.bytes(in.uint32())}
		if id != functionNames || in.err != nil {
			continue
		}
		for n := part.uint32(); n > 0 && part.err == nil; n-- {
			r.check(part, part.uint32())
			part.name()
		}
		if part.err != nil {
			return part.err
		}
	}
	return in.err
}
