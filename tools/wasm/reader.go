package wasm

import (
	"errors"
	"fmt"
)

// errTruncated is what every read past the end of the input answers.
var errTruncated = errors.New("unexpected end of data")

// reader walks over data and keeps the first error: after it every read answers
// the zero value, so that the callers need to look at err only once per entry.
type reader struct {
	data []byte
	pos  int
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) done() bool { return r.err != nil || r.pos >= len(r.data) }

func (r *reader) byte() byte {
	if r.done() {
		r.fail(errTruncated)
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

// bytes answers the next n bytes, as a part of data and not a copy of it.
func (r *reader) bytes(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(len(r.data)-r.pos) {
		r.fail(errTruncated)
		return nil
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

func (r *reader) name() string { return string(r.bytes(r.uint32())) }

// uint32 reads an unsigned LEB128 number, which may have superfluous zero bytes at
// its end: Go's linker writes the sizes of sections in five bytes always.
func (r *reader) uint32() uint32 { return uint32(r.leb128(32)) }

func (r *reader) leb128(bits uint) uint64 {
	var value uint64
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.byte()
		if r.err != nil {
			return 0
		}
		if room := bits - shift; room < 7 && b>>room != 0 {
			break
		}
		value |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return value
		}
	}
	r.fail(fmt.Errorf("number at offset %d has more than %d bits", r.pos, bits))
	return 0
}

// appendUint32 appends value as LEB128 in as few bytes as possible.
func appendUint32(data []byte, value uint32) []byte {
	for value >= 0x80 {
		data = append(data, byte(value)|0x80)
		value >>= 7
	}
	return append(data, byte(value))
}
