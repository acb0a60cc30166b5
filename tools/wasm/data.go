package wasm

import "errors"

// segment is a part of the memory that a module brings.
type segment struct {
	at    uint32 // address
	bytes []byte
}

// readSegments reads a data section whose segments are all at fixed addresses of the one memory, as Go's linker writes it.
func readSegments(body []byte) ([]segment, error) {
	r := &reader{data: body}
	segments := make([]segment, 0, min(int(r.uint32()), len(body)))
	for !r.done() {
		if kind, opcode := r.byte(), r.byte(); kind != 0 || opcode != opI32Const {
			return nil, errors.New("a segment that is not at a fixed address")
		}
		at := uint32(r.int32())
		if end := r.byte(); end != opEnd {
			return nil, errors.New("a segment whose address is not a constant")
		}
		segments = append(segments, segment{at, r.bytes(r.uint32())})
	}
	return segments, r.err
}

func encodeSegments(segments []segment) []byte {
	body := appendUint32(nil, uint32(len(segments)))
	for _, s := range segments {
		body = append(body, 0)
		body = appendI32Const(body, int32(s.at))
		body = append(body, opEnd)
		body = append(appendUint32(body, uint32(len(s.bytes))), s.bytes...)
	}
	return body
}
