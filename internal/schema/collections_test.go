package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestMembers(t *testing.T) {
	tests := map[string]struct {
		json string
		key  *Key
		want []string
		err  string
	}{
		"in their order":  {`{"headers": {"b": "1", "a": "2"}}`, keyHeaders, []string{"b=1", "a=2"}, ``},
		"null":            {`{"headers": null}`, keyHeaders, nil, ``},
		"a null member":   {`{"headers": {"b": null, "a": "2"}}`, keyHeaders, []string{"a=2"}, ``},
		"unset variable":  {`{"headers": {"a": "${NOT_SET}"}}`, keyHeaders, []string{"a="}, `invalid headers.a in config: environment variable NOT_SET is not set in the VM`},
		"list":            {`{"headers": ["a"]}`, keyHeaders, nil, `invalid headers in config: a list (want an object of strings)`},
		"a number":        {`{"headers": {"a": 5, "b": "1"}}`, keyHeaders, []string{"b=1"}, `invalid headers.a in config: 5 (want a string)`},
		"a secret number": {`{"secrets": {"a": 5}}`, keySecrets, nil, `invalid secrets.a in config (want a string)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			var got []string
			for _, member := range s.Members(test.key) {
				got = append(got, member.Name+"="+member.Value)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

// Errors show a value as it was written, as its variables may be secret.
func TestMembersKeepWhatWasWritten(t *testing.T) {
	members := parse(`{"headers": {"a": "${SECRET}"}}`).Members(keyHeaders)
	if got := Shown(members[0].Written); got != `"${SECRET}"` {
		t.Errorf("got %s, expected it unexpanded", got)
	}
}

func TestStrings(t *testing.T) {
	tests := map[string]struct {
		json string
		key  *Key
		want []string
		err  string
	}{
		"list":                   {`{"names": ["a", "${NAME}"]}`, keyNames, []string{"a", "value"}, ``},
		"one where it is a list": {`{"names": "a"}`, keyNames, nil, `invalid names in config: "a" (want a list of strings)`},
		"one where it may be":    {`{"words": "${NAME}"}`, keyWords, []string{"value"}, ``},
		"several":                {`{"words": ["a", "b"]}`, keyWords, []string{"a", "b"}, ``},
		"number":                 {`{"words": 5}`, keyWords, nil, `invalid words in config: 5 (want a string or a list of strings)`},
		"a number among them":    {`{"names": ["a", 5]}`, keyNames, []string{"a"}, `invalid names[1] in config: 5 (want a string)`},
		"unset variable":         {`{"names": ["a", "${NOT_SET}"]}`, keyNames, []string{"a", ""}, `invalid names[1] in config: environment variable NOT_SET is not set in the VM`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			if got := s.Strings(test.key); !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

func TestConditions(t *testing.T) {
	tests := map[string]struct {
		rule string
		want []string
		err  string
	}{
		"list":          {`{"_match_": ["a", "b"]}`, []string{"a", "b"}, ``},
		"not expanded":  {`{"_match_": ["${NAME}"]}`, []string{"${NAME}"}, ``},
		"not inherited": {`{}`, nil, ``},
		"empty list":    {`{"_match_": []}`, nil, ``},
		"empty string":  {`{"_match_": ["a", ""]}`, []string{"a", ""}, `invalid _match_ in config: "" (want a list of non-empty strings)`},
		"number":        {`{"_match_": [5]}`, []string{""}, `invalid _match_ in config: 5 (want a list of non-empty strings)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(`{"_match_": ["global"]}`).Override(gjson.Parse(test.rule))
			if got := s.Conditions("_match_"); !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

// keyEntries is a list of objects.
var keyEntries = &Key{Name: "entries", Kind: Objects, Want: "a list of entries", Keys: []*Key{
	{Name: "codes", Kind: Integers, Want: "a list of codes, 1 to 9", Min: 1, Max: 9, Default: []int{5}},
	{Name: "equals", Kind: TextOrList},
}}

func TestListsOfNumbersAndObjects(t *testing.T) {
	for name, test := range map[string]struct {
		json   string
		codes  []int
		equals []string
		err    string
	}{
		"good":              {`{"codes": [1, 9.0], "equals": ["a", 5, true, "${NAME}"]}`, []int{1, 9}, []string{"a", "5", "true", "value"}, ``},
		"one value":         {`{"equals": 5.5}`, []int{5}, []string{"5.5"}, ``},
		"no codes":          {`{"codes": [], "equals": "a"}`, []int{}, []string{"a"}, ``},
		"code too large":    {`{"codes": [10], "equals": "a"}`, []int{10}, []string{"a"}, `invalid entries[0].codes in config: 10 (want a list of codes, 1 to 9)`},
		"code no integer":   {`{"codes": [1.5], "equals": "a"}`, []int{0}, []string{"a"}, `invalid entries[0].codes in config: 1.5 (want a list of codes, 1 to 9)`},
		"codes are no list": {`{"codes": 1, "equals": "a"}`, nil, []string{"a"}, `invalid entries[0].codes in config: 1 (want a list of codes, 1 to 9)`},
		"equals is missing": {`{}`, []int{5}, nil, `missing entries[0].equals in config`},
		"equals is empty":   {`{"equals": []}`, []int{5}, nil, `missing entries[0].equals in config`},
		"equals, an object": {`{"equals": [{}]}`, []int{5}, []string{"{}"}, `invalid entries[0].equals in config: an object (want a string or a list of strings)`},
		"an unknown key":    {`{"equals": "a", "code": 1}`, []int{5}, []string{"a"}, `unknown key entries[0].code in config (did you mean entries[0].codes?)`},
	} {
		s := Parse([]byte(`{"entries": [`+test.json+`]}`), &Key{Keys: []*Key{keyEntries}}, environment)
		entries := s.Objects(keyEntries)
		if len(entries) != 1 {
			t.Errorf("%s: got %d entries", name, len(entries))
			continue
		}
		codes, equals := entries[0].Ints(keyEntries.Keys[0]), entries[0].Scalars(keyEntries.Keys[1])
		if !slices.Equal(codes, test.codes) || !slices.Equal(equals, test.equals) {
			t.Errorf("%s: got %v and %q, expected %v and %q", name, codes, equals, test.codes, test.equals)
		}
		checkErr(t, s, test.err)
	}
	for json, want := range map[string]string{
		`{}`: ``, `{"entries": null}`: ``, `{"entries": []}`: ``,
		`{"entries": {}}`:      `invalid entries in config: an object (want a list of entries)`,
		`{"entries": [{}, 5]}`: `invalid entries[1] in config (want a list of entries)`,
	} {
		s := Parse([]byte(json), &Key{Keys: []*Key{keyEntries}}, environment)
		if got := s.Objects(keyEntries); len(got) > 1 {
			t.Errorf("%s: got %d entries", json, len(got))
		}
		checkErr(t, s, want)
	}
}

func TestDoubts(t *testing.T) {
	s := parse(`{"words": "abd"}`)
	s.Suspect(keyWords, "did you mean abc?")
	s.Suspect(keyWords, "did you mean abc?")
	if got := s.Warnings(); !slices.Equal(got, []string{`words is "abd": did you mean abc?`}) {
		t.Errorf("got %q, expected one warning", got)
	}
	for name, want := range map[string]string{"abd": "abc", "ab": "abc", "xyz": "", "abc": "abc", "abcdefgh": ""} {
		if got := Nearest(name, []string{"abc", "none"}, 1); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
}

// A rule's member of an object of objects is whole, and null takes an inherited one away.
func TestNamedObjects(t *testing.T) {
	for name, test := range map[string]struct{ json, want, err string }{
		"some":        {`{"named": {"a-1": {"inside": "x"}, "b_2": null}}`, "a-1=x b_2=null", ""},
		"none":        {`{}`, "", ""},
		"a list":      {`{"named": []}`, "", "invalid named in config: a list (want an object of objects)"},
		"a text":      {`{"named": {"a": "b"}}`, "", `invalid named.a in config: "b" (want an object)`},
		"an odd name": {`{"named": {"a b": {}}}`, "", "invalid named.a b in config: a name may have letters, digits, - and _ only"},
		"twice":       {`{"named": {"a": null, "a": {}}}`, "a=null", "duplicate key named.a in config"},
		"unknown key": {`{"named": {"a": {"inisde": 1}}}`, "a=", "unknown key named.a.inisde in config (did you mean named.a.inside?)"},
	} {
		s := parse(test.json)
		var got []string
		for _, o := range s.NamedObjects(keyNamed, "abcdefghijklmnopqrstuvwxyz0123456789-_") {
			if o.IsNull {
				got = append(got, o.Name+"=null")
			} else {
				got = append(got, o.Name+"="+o.Section.String(keyInside))
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
		checkErr(t, s, test.err)
	}
}

// What stands in an object's texts is encoded as JSON has it there.
func TestJSONObjects(t *testing.T) {
	for json, want := range map[string]string{
		`{"claims": {"a": "${NAME}", "b": [1, "${request.header.X}"]}}`: "{\"a\": \"value\", \"b\": [1, \"\x00request.header.x\x00\"]}",
		`{}`: "",
	} {
		s := parse(json)
		if got := s.JSON(keyClaims).Identity(); got != want {
			t.Errorf("%s: got %q, expected %q", json, got, want)
		}
		checkErr(t, s, "")
	}
	for rule, want := range map[string]string{
		`{}`:               `{"a": 1, "b": {"c": 2, "d": null}}`,
		`{"claims": null}`: "",
		`{"claims": {}}`:   `{"a":1,"b":{"c": 2, "d": null}}`,
		`{"claims": {"a": null, "b": {"c": [3], "e": {"f": null}}, "g": null, "\"": "h"}}`: `{"b":{"c":[3],"d":null,"e":{"f": null}},"g":null,"\"":"h"}`,
		`{"claims": {"b": 4}}`: `{"a":1,"b":4}`,
	} {
		s := parse(`{"claims": {"a": 1, "b": {"c": 2, "d": null}}}`).Override(gjson.Parse(rule))
		if got := s.JSON(keyClaims).Identity(); got != want {
			t.Errorf("rule %s: got %q, expected %q", rule, got, want)
		}
		checkErr(t, s, "")
	}
	s := parse(`{"claims": "a"}`)
	s.JSON(keyClaims)
	checkErr(t, s, `invalid claims in config: "a" (want an object of any values)`)
}
