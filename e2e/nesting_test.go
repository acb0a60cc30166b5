package e2e_test

import (
	"encoding/json"
	"strings"
)

// maxDepth is how deep JSON from outside may nest.
const maxDepth = 64

// nestedLists are lists in lists, that many, with a JSON value in the innermost.
func nestedLists(depth int, innermost string) string {
	return strings.Repeat("[", depth) + innermost + strings.Repeat("]", depth)
}

// nestedObjects are objects in objects, that many.
func nestedObjects(depth int) string {
	return strings.Repeat(`{"a":`, depth-1) + `{}` + strings.Repeat("}", depth-1)
}

// nestedBoth alternates lists and objects.
func nestedBoth(depth int) string {
	open, end := strings.Repeat(`[{"a":`, depth/2), strings.Repeat("}]", depth/2)
	return open + nestedLists(depth%2, "0") + end
}

// bracketText is text that is nested only for those who do not see that it is text: it has
// that many brackets, and quotes and backslashes, which JSON escapes.
func bracketText(count int) string {
	return `"[{\"` + strings.Repeat(`[{"\`, count/4) + `\\`
}

// jsonText is a text as JSON.
func jsonText(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // there is no such text
	}
	return string(data)
}
