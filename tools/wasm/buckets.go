package wasm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// bucketSize and bucketsEach are those of Go's findfunctab, the table by which its runtime finds the function of a program
// counter. In Wasm, a program counter is a function's number and 16 bits, so that each function has 16 buckets of 20 bytes,
// of which each says nothing but the function's number: a third of a module's data section, as the linker writes a
// segment for each.
const (
	bucketSize  = 20
	bucketsEach = 16
	// fewest buckets that are worth a function that fills them.
	fewestBuckets = 1000
)

// FillBuckets returns a copy of the module data in which a start function writes the regular part of findfunctab,
// in place of the segments that hold it, and how many bytes of the file that saves. The memory is the same as before
// when the start function has run. A module that has no such table, or a start function already, is an error.
func FillBuckets(data []byte) (out []byte, saved int, err error) {
	m, err := Parse(data)
	if err != nil {
		return nil, 0, err
	}
	if m.has(startSection) {
		return nil, 0, errors.New("there is a start function already")
	}
	at := slices.IndexFunc(m.Sections, func(s Section) bool { return s.ID == dataSection })
	if at < 0 {
		return nil, 0, errors.New("no data")
	}
	segments, err := readSegments(m.Sections[at].body)
	if err != nil {
		return nil, 0, fmt.Errorf("data: %w", err)
	}
	table, ok := findBuckets(segments)
	if !ok {
		return nil, 0, errors.New("no findfunctab whose buckets have the numbers of their functions: has Go's linker changed?")
	}
	out, err = m.withStart(data, table.filler(), encodeSegments(table.cutFrom(segments)))
	return out, len(data) - len(out), err
}

// buckets is a range of the memory that holds regular buckets, from that of function 0 on.
type buckets struct {
	at    uint32
	count uint32
}

func (b buckets) end() uint32 { return b.at + b.count*bucketSize }

// findBuckets looks for the table by a part of it that nothing else looks like, and goes from there to its end.
func findBuckets(segments []segment) (buckets, bool) {
	memory, base, ok := imageOf(segments)
	if !ok {
		return buckets{}, false
	}
	const first = 100 // function
	var part []byte
	for function := uint32(first); function < first+2; function++ {
		for range bucketsEach {
			part = append(binary.LittleEndian.AppendUint32(part, function), make([]byte, bucketSize-4)...)
		}
	}
	found := bytes.Index(memory, part) - first*bucketsEach*bucketSize
	if found < 0 {
		return buckets{}, false
	}
	var count uint32
	for ; found+int(count+1)*bucketSize <= len(memory); count++ {
		bucket := memory[found+int(count)*bucketSize:][:bucketSize]
		if binary.LittleEndian.Uint32(bucket) != count/bucketsEach || len(bytes.Trim(bucket[4:], "\x00")) > 0 {
			break
		}
	}
	return buckets{base + uint32(found), count}, count >= fewestBuckets
}

// maxImage is more memory than any module here brings.
const maxImage = 1 << 28

// imageOf is the memory from the first segment to the last. It is not ok when two overlap.
func imageOf(segments []segment) (memory []byte, base uint32, ok bool) {
	if len(segments) == 0 {
		return nil, 0, false
	}
	segments = slices.Clone(segments)
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	base = segments[0].at
	next := uint64(base)
	for _, s := range segments { // where two overlap, their order counts
		if uint64(s.at) < next {
			return nil, 0, false
		}
		next = uint64(s.at) + uint64(len(s.bytes))
	}
	if next-uint64(base) > maxImage {
		return nil, 0, false
	}
	memory = make([]byte, next-uint64(base))
	for _, s := range segments {
		copy(memory[s.at-base:], s.bytes)
	}
	return memory, base, true
}

// cutFrom returns the segments without the range.
func (b buckets) cutFrom(segments []segment) []segment {
	var kept []segment
	for _, s := range segments {
		end := s.at + uint32(len(s.bytes))
		if s.at < b.at {
			kept = append(kept, segment{s.at, s.bytes[:min(end, b.at)-s.at]})
		}
		if end > b.end() {
			from := max(s.at, b.end())
			kept = append(kept, segment{from, s.bytes[from-s.at:]})
		}
	}
	return kept
}

// filler is the body of a function without parameters that writes the buckets:
//
//	for bucket = 0; bucket < count; bucket++ { memory[at + bucket*bucketSize] = bucket / bucketsEach }
//
// Local 0 is the address, local 1 the bucket. The other bytes of the buckets are zero, as is all memory at first.
func (b buckets) filler() []byte {
	const address, bucket, shift = 0, 1, 4 // bucketsEach is 1 << shift
	body := []byte{1, 2, typeI32}          // two locals of one type
	body = append(appendI32Const(body, int32(b.at)), opLocalSet, address)
	body = append(body, opLoop, noResult)
	body = append(body, opLocalGet, address, opLocalGet, bucket)
	body = append(appendI32Const(body, shift), opI32ShrU, opI32Store, 2, 0)
	body = append(appendI32Const(append(body, opLocalGet, address), bucketSize), opI32Add, opLocalSet, address)
	body = append(appendI32Const(append(body, opLocalGet, bucket), 1), opI32Add, opLocalTee, bucket)
	body = append(appendI32Const(body, int32(b.count)), opI32LtU, opBrIf, 0)
	return append(body, opEnd, opEnd)
}
