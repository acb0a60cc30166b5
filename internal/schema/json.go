package schema

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deeply JSON from outside may be nested.
const MaxDepth = 64

// ValidJSON reports whether untrusted bytes are JSON that is safe to parse. The parsers recurse, and a stack overflow
// ends the VM without recovery, so the depth is checked first.
func ValidJSON(data []byte) bool { return nestsWithin(data, MaxDepth) && gjson.ValidBytes(data) }

// Paths may have two modifiers for strings that contain something else: @fromstr parses JSON, whose brackets do not count
// towards the depth of the document around it, and @base64d decodes text in base64, as jq does.
func init() {
	gjson.AddModifier("fromstr", func(text, _ string) string {
		if inner := gjson.Parse(text).String(); ValidJSON([]byte(inner)) {
			return inner
		}
		return ""
	})
	gjson.AddModifier("base64d", func(text, _ string) string { return decodeBase64(gjson.Parse(text).Str) })
}

// decodeBase64 returns a text as a JSON string, without the line ends after it that files have; empty if there is none.
func decodeBase64(encoded string) string {
	text, err := DecodeBase64(strings.TrimRight(encoded, "=\r\n"))
	if err != nil || !utf8.Valid(text) {
		return ""
	}
	return string(gjson.AppendJSONString(nil, string(bytes.TrimRight(text, "\r\n"))))
}

// DecodeBase64 decodes both alphabets (RFC 4648 sections 4 and 5), with or without padding.
func DecodeBase64(encoded string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(encoded, "=")))
}

// nestsWithin reports whether the brackets of a JSON text nest at most limit deep, in one pass and without recursion.
// For what is not JSON, the result is meaningless.
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

// stringEnd returns the index of the quote that ends the string starting at i.
func stringEnd(data []byte, i int) int {
	for ; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

// parseJSON's errors say where the JSON is broken, but show none of it: it holds secrets.
func parseJSON(data []byte) (gjson.Result, error) {
	if !nestsWithin(data, MaxDepth) {
		return gjson.Result{}, fmt.Errorf("invalid config: it is nested too deep (want at most %d levels)", MaxDepth)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var syntax *json.SyntaxError
		if len(data) == 0 || !errors.As(err, &syntax) {
			return gjson.Result{}, errors.New("invalid config: it is empty (want a JSON object)")
		}
		// Offset includes the offending byte, which may be a line break.
		before := data[:max(int(syntax.Offset)-1, 0)]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - bytes.LastIndexByte(before, '\n')
		hint := ""
		if rest := []rune(string(data[len(before):min(len(data), len(before)+utf8.UTFMax)])); len(rest) > 0 && strings.ContainsRune(typographicQuotes, rest[0]) {
			hint = ` (a typographic quote: write ")`
		}
		return gjson.Result{}, fmt.Errorf("invalid config: not JSON at line %d, column %d%s", line, column, hint)
	}
	whole := gjson.ParseBytes(data)
	if !whole.IsObject() {
		return gjson.Result{}, errors.New("invalid config: not a JSON object")
	}
	return whole, nil
}

// mergeObjects returns an object with the members of one that another replaces, adds to or, by null, removes from.
func mergeObjects(object, by gjson.Result) gjson.Result {
	names, changes := []string{}, map[string]gjson.Result{}
	by.ForEach(func(name, value gjson.Result) bool {
		names, changes[name.String()] = append(names, name.String()), value
		return true
	})
	var members []string
	add := func(name string, value gjson.Result) {
		quoted, _ := json.Marshal(name)
		members = append(members, string(quoted)+":"+value.Raw)
	}
	object.ForEach(func(name, value gjson.Result) bool {
		change, isChanged := changes[name.String()]
		delete(changes, name.String())
		switch {
		case !isChanged:
			add(name.String(), value)
		case value.IsObject() && change.IsObject():
			add(name.String(), mergeObjects(value, change))
		case change.Type != gjson.Null:
			add(name.String(), change)
		}
		return true
	})
	for _, name := range names {
		if value, isNew := changes[name]; isNew {
			add(name, value)
		}
	}
	return gjson.Parse("{" + strings.Join(members, ",") + "}")
}
