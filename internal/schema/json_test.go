package schema

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
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

// What a string contains: JSON, or text in base64.
func TestModifiers(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for path, test := range map[string]struct{ document, want string }{
		"a.@fromstr.b":          {`{"a": "{\"b\": \"t1\"}"}`, "t1"},
		"a|@fromstr|b":          {`{"a": "{\"b\": \"t1\"}"}`, "t1"},
		"a.@fromstr.c":          {`{"a": "{\"b\": \"t1\"}"}`, ""},
		"a.@fromstr":            {`{"a": "` + deep + `"}`, ""},
		"a.@base64d":            {`{"a": "czNjcjN0"}`, "s3cr3t"},
		"b.@base64d":            {`{"b": "w4TDlsOcPz8_Pz4-Pg=="}`, "ÄÖÜ????>>>"},
		"c.@base64d":            {`{"c": "w4TDlsOcPz8/Pz4+Pg"}`, "ÄÖÜ????>>>"},
		"d.@base64d":            {`{"d": "czNj\r\ncjN0Cg==\n"}`, "s3cr3t"},
		"e.@base64d":            {`{"e": "czNjcjN0DQo="}`, "s3cr3t"},
		"f.@base64d":            {`{"f": "/////w=="}`, ""}, // no text
		"g.@base64d":            {`{"g": "no base64!"}`, ""},
		"h.@base64d":            {`{"h": 1234}`, ""},
		"i.@base64d":            {`{"i": ["czNjcjN0"]}`, ""},
		"j.@base64d":            {`{"j": ""}`, ""},
		"k.@base64d":            {`{}`, ""},
		"l.@base64d.@fromstr.b": {`{"l": "eyJiIjogInQxIn0K"}`, "t1"},
		"m.@base64d.@base64d":   {`{"m": "Y3pOamNqTjA="}`, "s3cr3t"},
		"n.#.@base64d|@this.0":  {`{"n": ["czNjcjN0"]}`, "s3cr3t"},
	} {
		if got := gjson.Get(test.document, path).String(); got != test.want {
			t.Errorf("%s in %.60s: got %q, expected %q", path, test.document, got, test.want)
		}
	}
}

// Paths of people who come from another tool; what only gjson has stays as it is.
func TestPathMeant(t *testing.T) {
	for path, want := range map[string]string{
		"$.data.token": "data.token", "$.data[0].token": "data.0.token", `$["data"]['token']`: "data.token", "$[0].token": "0.token",
		".data.token": "data.token", ".data[0]": "data.0", "/data/0/token": "data.0.token", "data[0].token": "data.0.token", `data["token"]`: "data.token",
		"": "", "access_token": "", "data.0.token": "", "$id": "", "https://example.com/claims": "", "a.$date": "", `\.expires`: "", "..#.a": "", "[a,b].0": "", "a.[b]": "", "a.[b,c].0": "",
		`tokens.#(type=="access").value`: "", "a.@fromstr.b": "", "a|b": "", "{a,b}": "",
	} {
		if want == "" {
			want = path
		}
		if got := PathMeant(path); got != want {
			t.Errorf("%s: got %s, expected %s", path, got, want)
		}
	}
}
