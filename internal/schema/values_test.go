package schema

import (
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

func TestString(t *testing.T) {
	tests := map[string]struct {
		json string
		key  *Key
		want string
		err  string
	}{
		"given":               {`{"text": "a"}`, keyText, "a", ``},
		"absent":              {`{}`, keyText, "default", ``},
		"no default":          {`{}`, keyPath, "", ``},
		"number":              {`{"text": 5}`, keyText, "", `invalid text in config: 5 (want a string)`},
		"secret number":       {`{"inside": 12345}`, keyInside, "", `invalid inside in config (want a string)`},
		"one of, by variable": {`{"mode": "${NAME}"}`, keyMode, "value", `invalid mode in config: "${NAME}" (want a, b)`},
		"none of":             {`{"mode": "c"}`, keyMode, "c", `invalid mode in config: "c" (want a, b)`},
		"in typographic":      {`{"text": "“a”"}`, keyText, "", `invalid text in config: "“a”" (want no typographic quotes around it: write " or ', or none)`},
		"in a secret":         {`{"inside": "“s3cr3t”"}`, keyInside, "", `invalid inside in config (want no typographic quotes around it: write " or ', or none)`},
		"only within":         {`{"text": "a “b” c"}`, keyText, "a “b” c", ``},
		"only before":         {`{"text": "“a” b"}`, keyText, "“a” b", ``},
		"in prose":            {`{"prose": "“a”"}`, nil, "“a”", ``},
	}
	keyProse := &Key{Name: "prose", Kind: Text, IsProse: true}
	root := &Key{Keys: append([]*Key{keyInside, keyProse}, keyRoot.Keys...)}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Parse([]byte(test.json), root, environment)
			if test.key == nil {
				test.key = keyProse
			}
			if got := s.String(test.key); got != test.want {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

func TestBool(t *testing.T) {
	tests := map[string]struct {
		json string
		want bool
		err  string
	}{
		"true":   {`{"flag": true}`, true, ``},
		"absent": {`{}`, true, ``},
		"text":   {`{"flag": "true"}`, false, `invalid flag in config: "true" (want true or false, without quotes)`},
		"yes":    {`{"flag": "yes"}`, false, `invalid flag in config: "yes" (want true or false)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			if got := s.Bool(keyFlag); got != test.want {
				t.Errorf("got %v, expected %v", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

func TestIntegers(t *testing.T) {
	tests := map[string]struct {
		json       string
		want       int
		err        string
		lenient    int
		lenientErr string
	}{
		"least":          {`1`, 1, ``, 1, ``},
		"most":           {`100`, 100, ``, 100, ``},
		"null":           {`null`, 5, ``, 5, ``},
		"with a point":   {`80.0`, 80, ``, 80, ``},
		"zero":           {`0`, 0, `invalid count in config: 0 (want 1 to 100)`, 5, ``},
		"negative":       {`-1`, 0, `invalid count in config: -1 (want 1 to 100)`, 0, `invalid count in config: -1 (want 1 to 100)`},
		"too large":      {`101`, 0, `invalid count in config: 101 (want 1 to 100)`, 0, `invalid count in config: 101 (want 1 to 100)`},
		"fraction":       {`1.5`, 0, `invalid count in config: 1.5 (want 1 to 100)`, 0, `invalid count in config: 1.5 (want 1 to 100)`},
		"beyond 64 bits": {`1e300`, 0, `invalid count in config: 1e300 (want 1 to 100)`, 0, `invalid count in config: 1e300 (want 1 to 100)`},
		"in quotes":      {`"7"`, 0, `invalid count in config: "7" (want 1 to 100, without quotes)`, 7, ``},
		"large, quoted":  {`"101"`, 0, `invalid count in config: "101" (want 1 to 100, without quotes)`, 0, `invalid count in config: "101" (want 1 to 100)`},
		"boolean":        {`true`, 0, `invalid count in config: true (want 1 to 100)`, 0, `invalid count in config: true (want 1 to 100)`},
	}
	for text, want := range map[string]string{"50ms": ", in milliseconds: 50", "3s": ", in milliseconds", "0.5ms": ", in milliseconds", "7": ", without quotes", "0s": "", "soon": ""} {
		s := parse(`{"count": "` + text + `"}`)
		s.Milliseconds(keyCount)
		checkErr(t, s, `invalid count in config: "`+text+`" (want 1 to 100`+want+`)`)
	}
	s := parse(`{"count": "1m"}`)
	s.Seconds(keyCount)
	checkErr(t, s, `invalid count in config: "1m" (want 1 to 100, in seconds: 60)`)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(`{"count": ` + test.json + `}`)
			if got := s.Int(keyCount); got != test.want {
				t.Errorf("Int: got %d, expected %d", got, test.want)
			}
			checkErr(t, s, test.err)
			s = parse(`{"count": ` + test.json + `}`)
			if got := s.LenientInt(keyCount); test.lenientErr == "" && got != test.lenient {
				t.Errorf("LenientInt: got %d, expected %d", got, test.lenient)
			}
			checkErr(t, s, test.lenientErr)
		})
	}
	absent := parse(`{}`)
	if absent.Int(keyCount) != 5 || absent.LenientInt(keyCount) != 5 || absent.Int(keySpare) != 0 {
		t.Errorf("absent: got %d, %d and %d, expected the defaults 5, 5 and 0",
			absent.Int(keyCount), absent.LenientInt(keyCount), absent.Int(keySpare))
	}
}

func TestDurations(t *testing.T) {
	s := parse(`{"count": 7}`)
	if got := s.Milliseconds(keyCount); got != 7*time.Millisecond {
		t.Errorf("got %s, expected 7ms", got)
	}
	if got := s.Seconds(keyCount); got != 7*time.Second {
		t.Errorf("got %s, expected 7s", got)
	}
}

// gjson's own accessors round what does not fit.
func TestWholeNumber(t *testing.T) {
	for json, want := range map[string]struct {
		n  int64
		ok bool
	}{
		`0`: {0, true}, `-3`: {-3, true}, `4294967296`: {1 << 32, true}, `1e3`: {1000, true},
		`0.5`: {0, false}, `-1e300`: {0, false}, `"1"`: {0, false}, `true`: {0, false}, `null`: {0, false}, `[1]`: {0, false},
	} {
		if n, ok := wholeNumber(gjson.Parse(json)); n != want.n || ok != want.ok {
			t.Errorf("%s: got %d and %v, expected %d and %v", json, n, ok, want.n, want.ok)
		}
	}
}

func TestJSONPath(t *testing.T) {
	tests := map[string]struct{ json, want, err string }{
		"absent": {`{}`, "", ``},
		"empty":  {`{"path": ""}`, "", `invalid path in config: "" (want a path into the JSON answer, for example data.token)`},
		"blank":  {`{"path": " \t"}`, " \t", `invalid path in config: " �" (want a path into the JSON answer, for example data.token)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			if got := s.JSONPath(keyPath); got != test.want {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}
