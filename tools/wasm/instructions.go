package wasm

import "fmt"

// Instructions that are looked at for more than their length.
const (
	opBlock = 0x02
	opLoop  = 0x03
	opIf    = 0x04
	opEnd   = 0x0b
	opCall  = 0x10
)

// skipInstructions reads instructions up to and with the end that closes them, and hands the place of each index of a
// function that is called to the visitor. It knows the instructions that Go's compiler has, which are those of
// WebAssembly 1.0, sign extension, saturating conversions, and copying and filling of memory; any other is
// an error.
// https://webassembly.github.io/spec/core/binary/instructions.html
func skipInstructions(r *reader, visitCall func(start, end int, index uint32)) {
	for depth := 1; depth > 0 && r.err == nil; {
		switch opcode := r.byte(); opcode {
		case opBlock, opLoop, opIf:
			r.skipSigned(33) // its type
			depth++
		case opEnd:
			depth--
		case opCall:
			start := r.pos
			if index := r.uint32(); r.err == nil {
				visitCall(start, r.pos, index)
			}
		default:
			skipOperands(r, opcode)
		}
	}
}

// skipOperands reads what belongs to an instruction that neither calls a function by its index nor opens or closes a block.
func skipOperands(r *reader, opcode byte) {
	switch {
	case opcode <= 0x01, opcode == 0x05, opcode == 0x0f: // unreachable, nop, else, return
	case opcode == 0x0c, opcode == 0x0d: // br, br_if: label
		r.uint32()
	case opcode == 0x0e: // br_table: labels, and one more
		for n := r.uint32(); n > 0 && r.err == nil; n-- {
			r.uint32()
		}
		r.uint32()
	case opcode == 0x11: // call_indirect: type and table
		r.uint32()
		r.uint32()
	case opcode == 0x1a, opcode == 0x1b: // drop, select
	case opcode >= 0x20 && opcode <= 0x24: // local.get to global.set: index
		r.uint32()
	case opcode >= 0x28 && opcode <= 0x3e: // i32.load to i64.store32
		skipAddress(r)
	case opcode == 0x3f, opcode == 0x40: // memory.size, memory.grow: memory
		r.byte()
	case opcode >= 0x41 && opcode <= 0x44:
		skipConstant(r, opcode)
	case opcode >= 0x45 && opcode <= 0xc4: // i32.eqz to i64.extend32_s
	case opcode == 0xfc:
		skipPrefixed(r)
	default:
		r.fail(fmt.Errorf("unknown instruction %#02x at offset %d", opcode, r.pos-1))
	}
}

// skipAddress reads the alignment of an access, as a power of two, and its offset. None is aligned to more than 8 bytes.
func skipAddress(r *reader) {
	if alignment := r.uint32(); alignment > 3 {
		r.fail(fmt.Errorf("unknown alignment %d at offset %d", alignment, r.pos-1))
	}
	r.uint32()
}

func skipConstant(r *reader, opcode byte) {
	switch opcode {
	case 0x41: // i32.const
		r.skipSigned(32)
	case 0x42: // i64.const
		r.skipSigned(64)
	case 0x43: // f32.const
		r.bytes(4)
	case 0x44: // f64.const
		r.bytes(8)
	}
}

// skipPrefixed reads the second number of an instruction that has two, and what belongs to it.
func skipPrefixed(r *reader) {
	switch number := r.uint32(); {
	case number <= 7: // saturating conversions
	case number == 10: // memory.copy: two memories
		r.bytes(2)
	case number == 11: // memory.fill: memory
		r.byte()
	default:
		r.fail(fmt.Errorf("unknown instruction 0xfc %d at offset %d", number, r.pos-1))
	}
}

// renumberCalls returns the body of a function, locals and instructions, in which a call of function i below len(to)
// is one of function to[i]. A body without such a call is returned as it is.
func renumberCalls(body []byte, to []uint32) ([]byte, error) {
	r := &reader{data: body}
	for n := r.uint32(); n > 0 && r.err == nil; n-- {
		r.uint32() // number of locals of a type
		r.byte()
	}
	var out []byte
	copied := 0
	skipInstructions(r, func(start, end int, index uint32) {
		if uint64(index) >= uint64(len(to)) {
			return
		}
		out = append(out, body[copied:start]...)
		out = appendUint32(out, to[index])
		copied = end
	})
	if err := r.end(); err != nil {
		return nil, err
	}
	if copied == 0 {
		return body, nil
	}
	return append(out, body[copied:]...), nil
}
