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

// end returns the first error, or one that says that not all has been read.
func (r *reader) end() error {
	if left := len(r.data) - r.pos; left > 0 {
		r.fail(fmt.Errorf("%d bytes too many", left))
	}
	return r.err
}

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

// skipSigned reads over a signed LEB128 number.
func (r *reader) skipSigned(bits int) {
	for range (bits + 6) / 7 {
		if r.byte() < 0x80 { // also after an error
			return
		}
	}
	r.fail(fmt.Errorf("number at offset %d has more than %d bits", r.pos, bits))
}

// appendUint32 appends value as LEB128 in as few bytes as possible.
func appendUint32(data []byte, value uint32) []byte {
	for value >= 0x80 {
		data = append(data, byte(value)|0x80)
		value >>= 7
	}
	return append(data, byte(value))
}
