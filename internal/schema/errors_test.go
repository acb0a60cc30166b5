package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

func TestErrorTexts(t *testing.T) {
	tests := map[string]struct {
		report func(s Section)
		want   string
	}{
		"missing":            {func(s Section) { s.Missing(keyText) }, `missing text in config`},
		"invalid":            {func(s Section) { s.Invalid(keyText, gjson.Parse(`"other"`), "a word") }, `invalid text in config: "other" (want a word)`},
		"wrong":              {func(s Section) { s.InvalidKey(keyText, "a word") }, `invalid text in config: "s3cr3t?…" (want a word)`},
		"wrong and secret":   {func(s Section) { s.Object(keyObject).InvalidKey(keyInside, "a word") }, `invalid object.inside in config (want a word)`},
		"wrong as a whole":   {func(s Section) { s.Object(keyObject).InvalidSection("a word") }, `invalid object in config (want a word)`},
		"of a package's own": {func(s Section) { s.Fail("invalid %s in config", s.Name(keyHeaders, "a", "b\n")) }, "invalid headers.a.b� in config"},
		"in a rule":          {func(s Section) { s.InRule("_rules_[3]").Missing(keyText) }, `_rules_[3]: missing text in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(`{"text": "s3cr3t?key=s3cr3t", "object": {"inside": "s3cr3t"}, "headers": {"a": "s3cr3t"}}`)
			test.report(s)
			checkErr(t, s, test.want)
		})
	}
}

// What only follows from another error is not told: who mends the one has mended the other.
func TestErrorsThatFollowFromOthers(t *testing.T) {
	readAll := func(s Section) {
		for _, k := range []*Key{keyText, keyMode, keyPath} {
			if s.String(k) == "" {
				s.Missing(k)
			}
		}
		for i, name := range s.Strings(keyNames) {
			if written, _ := s.Value(keyNames); name == "" {
				s.Invalid(keyNames, written.Array()[i], "a name")
			}
		}
		s.Members(keyHeaders)
		if object := s.Object(keyObject); object.String(keyInside) == "" {
			object.Missing(keyInside)
			object.InvalidSection("something inside")
		}
		s.Identity() // reads all of it again
	}
	const good = `"mode": "a", "path": "a", "object": {"inside": "a"}`
	tests := map[string]struct{ json, want string }{
		"another type, not missing":  {`{"text": 5, ` + good + `}`, `invalid text in config: 5 (want a string)`},
		"a variable, not missing":    {`{"text": "${NOT_SET}", ` + good + `}`, `invalid text in config: environment variable NOT_SET is not set in the VM`},
		"a slip, not missing":        {`{"mod": "a", "path": "a", "object": {"inside": "a"}}`, `unknown key mod in config (did you mean mode?)`},
		"the object, not what is in": {`{"object": {"inside": 5}, "mode": "a", "path": "a"}`, `invalid object.inside in config (want a string)`},
		"an element, not the list":   {`{"names": ["a", "${secret.ns/name.key}"], ` + good + `}`, `invalid names[1] in config: ` + wantReplaced},
		"each element":               {`{"names": [1, "a", 2], ` + good + `}`, `invalid names[0] in config: 1 (want a string); invalid names[2] in config: 2 (want a string)`},
		"each key":                   {`{"x": 1, "object": {"y": 1}}`, `unknown key x in config; missing mode in config; missing path in config; unknown key object.y in config; missing object.inside in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			readAll(s)
			checkErr(t, s, test.want)
			// A rule repeats nothing of what it inherits.
			readAll(s.InRule("_rules_[0]").Override(gjson.Parse(`{}`)))
			checkErr(t, s, test.want)
		})
	}
	s := parse(`{"text": 5, ` + good + `}`)
	readAll(s)
	readAll(s.InRule("_rules_[0]").Override(gjson.Parse(`{"text": 6, "object": {"inside": 7}}`)))
	checkErr(t, s, `invalid text in config: 5 (want a string); _rules_[0]: invalid text in config: 6 (want a string); _rules_[0]: invalid object.inside in config (want a string)`)
}

// However much is wrong, an error is a line that a log can hold.
func TestErrorsAreBounded(t *testing.T) {
	var unknown strings.Builder
	for i := range 50000 {
		fmt.Fprintf(&unknown, `"x%d": 1, `, i)
	}
	start := time.Now()
	s := parse(`{` + unknown.String() + `"text": 5}`)
	s.String(keyText)
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %s, expected it to stop at %d errors", took, MaxErrors)
	}
	var all *Errors
	if !errors.As(s.Err(), &all) || len(all.Each) != MaxErrors || !all.More || !strings.HasSuffix(all.Error(), "; unknown key x19 in config; and more") {
		t.Errorf("got %v, expected the first %d and more", s.Err(), MaxErrors)
	}
	if err := parse(`{}`).Err(); err != nil {
		t.Errorf("got %v, expected nil", err)
	}
}

func TestShown(t *testing.T) {
	tests := map[string]struct{ json, want string }{
		"object":             {`{"a": "s3cr3t"}`, `an object`},
		"text":               {`"a b"`, `"a b"`},
		"null":               {`null`, `null`},
		"query":              {`"/a?key=s3cr3t"`, `"/a?…"`},
		"empty query":        {`"/a?"`, `"/a"`},
		"a private key":      {`"-----BEGIN PRIVATE KEY-----\ns3cr3t"`, `a private key`},
		"its line ends lost": {`"-----BEGIN EC PRIVATE KEY----- s3cr3t"`, `a private key`},
		"quotes":             {`"a\"b"`, `"a\"b"`},
		"control characters": {`"a\u001b[2J\nb"`, `"a�[2J�b"`},
		"too long":           {`"` + strings.Repeat("a", 101) + `"`, `"` + strings.Repeat("a", 100) + `…"`},
		"cut in a character": {`"` + strings.Repeat("a", 99) + `äb"`, `"` + strings.Repeat("a", 99) + `…"`},
	}
	for name, test := range tests {
		if got := Shown(gjson.Parse(test.json)); got != test.want {
			t.Errorf("%s: got %s, expected %s", name, got, test.want)
		}
	}
}

// A key is read more than once: for its value, for the identity, and by each rule that inherits it. With thousands
// of rules, that must not become thousands of lines in the log.
func TestWarningsAreNotRepeated(t *testing.T) {
	s := parse(`{"object": {"inside": "a"}}`)
	s.Warn("it is odd")
	s.Object(keyObject).Unused(keyInside, "so is this")
	s.Unused(keyPath, "it is old")
	for range 3 {
		rule := s.Override(gjson.Parse(`{}`))
		rule.Warn("it is odd")
		rule.Unused(keyPath, "it is old")
	}
	want := []string{
		"it is odd",
		"object.inside is not used: so is this",
		"path is not used: it is old",
	}
	if got := s.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %d warnings, expected %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}
