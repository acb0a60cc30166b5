package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestErrorTexts(t *testing.T) {
	tests := map[string]struct {
		report func(s Section)
		want   string
	}{
		"missing":              {func(s Section) { s.Missing(keyText) }, `missing text in config`},
		"missing in an object": {func(s Section) { s.Object(keyObject).Missing(keyInside) }, `missing object.inside in config`},
		"invalid":              {func(s Section) { s.Invalid(keyText, gjson.Parse(`"other"`), "a word") }, `invalid text in config: "other" (want a word)`},
		"wrong":                {func(s Section) { s.Wrong(keyText, "a word") }, `invalid text in config: "s3cr3t?…" (want a word)`},
		"wrong and secret":     {func(s Section) { s.Object(keyObject).Wrong(keyInside, "a word") }, `invalid object.inside in config (want a word)`},
		"wrong member":         {func(s Section) { s.WrongMember(keyHeaders, "a", "a word") }, `invalid headers.a in config (want a word)`},
		"wrong as a whole":     {func(s Section) { s.Object(keyObject).WrongWhole("a word") }, `invalid object in config (want a word)`},
		"of its own":           {func(s Section) { s.Fail("invalid %s in config", s.Name(keyHeaders, "a", "b\n")) }, "invalid headers.a.b� in config"},
		"the first stays":      {func(s Section) { s.Missing(keyText); s.Missing(keyPath) }, `missing text in config`},
		"in a rule":            {func(s Section) { s.Missing(keyText); s.InRule("_rules_", 3) }, `_rules_[3]: missing text in config`},
		"no error in a rule":   {func(s Section) { s.InRule("_rules_", 3) }, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(`{"text": "s3cr3t?key=s3cr3t", "object": {"inside": "s3cr3t"}, "headers": {"a": "s3cr3t"}}`)
			test.report(s)
			checkErr(t, s, test.want)
		})
	}
}

func TestUnusedKeysAreWarnedOf(t *testing.T) {
	s := parse(`{"object": {"inside": "a"}}`)
	s.Unused(keyText, "it is old")
	s.Object(keyObject).Unused(keyInside, "so is this")
	want := []string{"text is not used: it is old", "object.inside is not used: so is this"}
	if got := s.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
	checkErr(t, s, "")
}

func TestShown(t *testing.T) {
	tests := map[string]struct{ json, want string }{
		"object":             {`{"a": "s3cr3t"}`, `an object`},
		"list":               {`["s3cr3t"]`, `a list`},
		"text":               {`"a b"`, `"a b"`},
		"empty text":         {`""`, `""`},
		"number":             {`1.50`, `1.50`},
		"true":               {`true`, `true`},
		"null":               {`null`, `null`},
		"query":              {`"/a?key=s3cr3t"`, `"/a?…"`},
		"empty query":        {`"/a?"`, `"/a"`},
		"a private key":      {`"-----BEGIN PRIVATE KEY-----\ns3cr3t"`, `a private key`},
		"its line ends lost": {`"-----BEGIN EC PRIVATE KEY----- s3cr3t"`, `a private key`},
		"quotes":             {`"a\"b"`, `"a\"b"`},
		"control characters": {`"a\u001b[2J\nb"`, `"a�[2J�b"`},
		"as long as allowed": {`"` + strings.Repeat("a", 100) + `"`, `"` + strings.Repeat("a", 100) + `"`},
		"too long":           {`"` + strings.Repeat("a", 101) + `"`, `"` + strings.Repeat("a", 100) + `…"`},
		"cut in a character": {`"` + strings.Repeat("a", 99) + `äb"`, `"` + strings.Repeat("a", 99) + `…"`},
		"long number":        {strings.Repeat("1", 101), strings.Repeat("1", 100) + "…"},
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
	s := parse(`{"text": "${gateway.name}"}`)
	s.String(keyText)
	s.Identity()
	s.Unused(keyPath, "it is old")
	for range 3 {
		rule := s.Over(gjson.Parse(`{}`))
		rule.String(keyText)
		rule.Identity()
		rule.Unused(keyPath, "it is old")
	}
	want := []string{
		"text holds a ${…} with dots that no gateway has replaced; it is used unchanged",
		"path is not used: it is old",
	}
	if got := s.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %d warnings, expected %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}
