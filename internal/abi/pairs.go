package abi

import "encoding/binary"

// Pairs are encoded as their number, the sizes of each name and value, then the zero-terminated texts. Numbers are 32-bit
// little-endian.

// appendPairs decodes pairs. Texts are not copied.
func appendPairs(to [][2]string, text string) [][2]string {
	if text == "" {
		return to
	}
	sizes := text[4:]
	values := sizes[8*number(text):]
	next := func() (value string) {
		size := number(sizes)
		value, sizes, values = values[:size], sizes[4:], values[size+1:]
		return value
	}
	for range number(text) {
		name := next()
		to = append(to, [2]string{name, next()})
	}
	return to
}

func number(text string) int {
	return int(text[0]) | int(text[1])<<8 | int(text[2])<<16 | int(text[3])<<24
}

// encodePairs appends the encoded pairs.
func encodePairs(to []byte, pairs [][2]string) []byte {
	to = appendNumber(to, len(pairs))
	for i := range pairs {
		to = appendNumber(appendNumber(to, len(pairs[i][0])), len(pairs[i][1]))
	}
	for i := range pairs {
		to = append(append(to, pairs[i][0]...), 0)
		to = append(append(to, pairs[i][1]...), 0)
	}
	return to
}

func appendNumber(to []byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(to, uint32(n)) //nolint:gosec // of headers or their bytes
}
