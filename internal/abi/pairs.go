package abi

// appendPairs decodes pairs as the host encodes them: their number, the sizes of each name and value, then the
// zero-terminated texts. Numbers are 32-bit little-endian. Texts are not copied.
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
