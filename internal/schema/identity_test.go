package schema

import (
	"testing"

	"github.com/tidwall/gjson"
)

const identityJSON = `{"text": "a", "count": 7, "flag": false, "headers": {"a": "b"}, "names": ["a"], "words": ["a", "b"], "odd": [1], "object": {"inside": "a"}}`

func TestIdentity(t *testing.T) {
	base := parse(identityJSON).Identity()
	tests := map[string]struct {
		rule      string
		isAnother bool
	}{
		"nothing":                {`{}`, false},
		"another text":           {`{"text": "b"}`, true},
		"the same by a variable": {`{"text": "${A}"}`, false},
		"another integer":        {`{"count": 8}`, true},
		"another boolean":        {`{"flag": true}`, true},
		"another member":         {`{"headers": {"a": "c"}}`, true},
		"another name":           {`{"names": ["b"]}`, true},
		"two in one":             {`{"words": ["ab"]}`, true},
		"one for two":            {`{"words": "a"}`, true},
		"another inside":         {`{"object": {"inside": "b"}}`, true},
		"another odd one":        {`{"odd": [2]}`, true},
		"not marked":             {`{"mode": "b", "secrets": {"a": "b"}, "spare": 3}`, false},
		"a mark of the gateway":  {`{"_id_": 7}`, false},
	}
	variables := func(string) (string, bool) { return "a", true }
	for name, test := range tests {
		s := Parse([]byte(identityJSON), keyRoot, variables).Override(gjson.Parse(test.rule))
		if isAnother := s.Identity() != base; isAnother != test.isAnother {
			t.Errorf("%s: got another identity: %v, expected %v", name, isAnother, test.isAnother)
		}
		checkErr(t, s, "")
	}
}

// Whoever writes a default down changes nothing.
func TestIdentityOfDefaults(t *testing.T) {
	written := parse(`{"text": "default", "count": 5, "flag": true, "object": {}}`).Identity()
	if absent := parse(`{}`).Identity(); absent != written {
		t.Errorf("got %x without and %x with the defaults", absent, written)
	}
}

// A variable's value is part of it, and so is one in a value that the section does not read itself.
func TestIdentityHasTheValuesOfVariables(t *testing.T) {
	for _, json := range []string{`{"text": "${A}"}`, `{"headers": {"a": "${A}"}}`, `{"names": ["${A}"]}`, `{"words": "${A}"}`, `{"odd": [{"inside": "${A}"}]}`, `{"object": {"inside": "${A}"}}`} {
		with := func(value string) [16]byte {
			return Parse([]byte(json), keyRoot, func(string) (string, bool) { return value, true }).Identity()
		}
		first, another, again := with("a"), with("b"), with("a")
		if first == another {
			t.Errorf("%s: the same identity with another value", json)
		}
		if first != again {
			t.Errorf("%s: another identity with the same value", json)
		}
	}
}

// No field looks like two, no group like another, and no value like a name.
func TestHasherKeepsFieldsApart(t *testing.T) {
	groups := map[string][][]string{
		"nothing":        {},
		"an empty group": {{}},
		"an empty field": {{""}},
		"two":            {{"a", "b"}},
		"joined":         {{"ab"}},
		"other split":    {{"", "ab"}},
		"two groups":     {{"a"}, {"b"}},
		"other order":    {{"b", "a"}},
		"a length in it": {{"a\x01\x00\x00\x00\x00\x00\x00\x00b"}},
	}
	seen := map[[16]byte]string{}
	for name, fields := range groups {
		h := NewHasher()
		for _, group := range fields {
			h.Add(group...)
		}
		if other, taken := seen[h.Sum()]; taken {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h.Sum()] = name
	}
}
