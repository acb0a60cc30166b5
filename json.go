package main

import "github.com/tidwall/gjson"

// maxJSONDepth is how deep JSON from outside may be nested.
const maxJSONDepth = 64

// validJSON reports whether outside bytes are JSON that the parsers can be given. They recurse into
// it, and one that exhausts the stack ends the VM, which no recover catches: so the depth
// comes first.
func validJSON(data []byte) bool { return nestsWithin(data, maxJSONDepth) && gjson.ValidBytes(data) }

// nestsWithin reports whether the brackets of a JSON text nest at most limit deep, in one pass and without
// a stack. What is not JSON may get either answer.
func nestsWithin(data []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i+1)
		case '[', '{':
			if depth++; depth > limit {
				return false
			}
		case ']', '}':
			depth--
		}
	}
	return true
}

// stringEnd is where the quote is that ends the string whose text begins at i.
func stringEnd(data []byte, i int) int {
	for ; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}
