package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The part of the binary format that exports need: https://webassembly.github.io/spec/core/binary/modules.html

var (
	errNotWasm   = errors.New("not a WebAssembly module of version 1")
	errTruncated = errors.New("the module ends too early")
	errNoExports = errors.New("the module exports nothing")
)

const (
	header        = "\x00asm\x01\x00\x00\x00"
	exportSection = 7
)

// export is an entry of the export section.
type export struct {
	name   string
	target []byte // encoded kind and index
}

// splitAtExports returns the exports, and the module's bytes before and after its export section.
func splitAtExports(module []byte) (before []byte, exports []export, after []byte, err error) {
	rest, isWasm := bytes.CutPrefix(module, []byte(header))
	if !isWasm {
		return nil, nil, nil, errNotWasm
	}
	for len(rest) > 0 {
		start := len(module) - len(rest)
		section := rest[0]
		var body []byte
		if body, rest, err = cutSized(rest[1:]); err != nil {
			return nil, nil, nil, err
		}
		if section == exportSection {
			exports, err = readExports(body)
			return module[:start], exports, rest, err
		}
	}
	return nil, nil, nil, errNoExports
}

func readExports(body []byte) (exports []export, err error) {
	count, size := binary.Uvarint(body)
	if size <= 0 {
		return nil, errTruncated
	}
	body = body[size:]
	for range count {
		var name []byte
		if name, body, err = cutSized(body); err != nil {
			return nil, err
		}
		const kind = 1
		_, index := binary.Uvarint(body[min(kind, len(body)):])
		if index <= 0 {
			return nil, errTruncated
		}
		exports = append(exports, export{string(name), body[:kind+index]})
		body = body[kind+index:]
	}
	return exports, nil
}

// cutSized splits off a length-prefixed part. Lengths are unsigned LEB128 numbers, Go's uvarints.
func cutSized(data []byte) (cut, rest []byte, err error) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)-n) { //nolint:gosec // not negative
		return nil, nil, errTruncated
	}
	return data[n:][:size], data[n:][size:], nil
}

func appendSized(to, data []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(data))), data...)
}

// join is the inverse of splitAtExports.
func join(before []byte, exports []export, after []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(exports)))
	for _, e := range exports {
		body = append(appendSized(body, []byte(e.name)), e.target...)
	}
	module := append(bytes.Clone(before), exportSection)
	return append(appendSized(module, body), after...)
}
