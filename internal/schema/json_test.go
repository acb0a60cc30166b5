package schema

import (
	"strings"
	"testing"
)

func nested(open, inside, end string, depth int) string {
	return strings.Repeat(open, depth) + inside + strings.Repeat(end, depth)
}

func TestJSONDepth(t *testing.T) {
	tests := map[string]struct {
		text string
		want bool
	}{
		"empty":                            {"", false},
		"lists at the limit":               {nested("[", "", "]", 64), true},
		"lists beyond the limit":           {nested("[", "", "]", 65), false},
		"objects at the limit":             {nested(`{"a":`, "1", "}", 64), true},
		"objects beyond the limit":         {nested(`{"a":`, "1", "}", 65), false},
		"never closed":                     {strings.Repeat("[", 1_000_000), false},
		"brackets in a string":             {`["` + strings.Repeat("[{", 1000) + `"]`, true},
		"an escaped quote in a string":     {`["\"` + strings.Repeat("[", 1000) + `"]`, true},
		"an escaped backslash ends before": {`["\\", ` + nested("[", "", "]", 64) + `]`, false},
		"a backslash at the end":           {`["\`, false},
	}
	for name, test := range tests {
		if got := ValidJSON([]byte(test.text)); got != test.want {
			t.Errorf("%s: got %v, expected %v", name, got, test.want)
		}
	}
}

// The error says where, and shows nothing of a text that holds secrets.
func TestConfigurationThatIsNotJSON(t *testing.T) {
	const notAnObject = `invalid config: not a JSON object`
	tests := map[string]struct{ text, want string }{
		"empty":                  {``, `invalid config: it is empty (want a JSON object)`},
		"ends early":             {`{"a": `, `invalid config: not JSON at line 1, column 6`},
		"on the second line":     {"{\"a\": 1,\n \"clientSecret\": \"s3cr3t\" oops}", `invalid config: not JSON at line 2, column 27`},
		"a line break in a text": {"{\"a\": \"b\nc\"}", `invalid config: not JSON at line 1, column 9`},
		"typographic quotes":     {"{“text”: 1}", `invalid config: not JSON at line 1, column 2 (a typographic quote: write ")`},
		"more behind it":         {`{} {}`, `invalid config: not JSON at line 1, column 4`},
		"list":                   {`["a"]`, notAnObject},
		"too deep":               {nested(`{"a":`, "1", "}", 65), `invalid config: it is nested too deep (want at most 64 levels)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { checkErr(t, parse(test.text), test.want) })
	}
}
