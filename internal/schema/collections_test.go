package schema

import (
	"slices"
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
		"in their order":     {`{"headers": {"b": "1", "a": "2"}}`, keyHeaders, []string{"b=1", "a=2"}, ``},
		"absent":             {`{}`, keyHeaders, nil, ``},
		"null":               {`{"headers": null}`, keyHeaders, nil, ``},
		"a null member":      {`{"headers": {"b": null, "a": "2"}}`, keyHeaders, []string{"a=2"}, ``},
		"variables":          {`{"headers": {"a": "x ${NAME}"}}`, keyHeaders, []string{"a=x value"}, ``},
		"unset variable":     {`{"headers": {"a": "${NOT_SET}"}}`, keyHeaders, []string{"a="}, `invalid headers.a in config: environment variable NOT_SET is not set in the VM`},
		"list":               {`{"headers": ["a"]}`, keyHeaders, nil, `invalid headers in config: a list (want an object of strings)`},
		"secret list":        {`{"secrets": ["a"]}`, keySecrets, nil, `invalid secrets in config (want an object of strings)`},
		"a number":           {`{"headers": {"a": 5, "b": "1"}}`, keyHeaders, []string{"b=1"}, `invalid headers.a in config: 5 (want a string)`},
		"a secret number":    {`{"secrets": {"a": 5}}`, keySecrets, nil, `invalid secrets.a in config (want a string)`},
		"an odd name":        {`{"headers": {"a\n": 5}}`, keyHeaders, nil, "invalid headers.a� in config: 5 (want a string)"},
		"a text, not object": {`{"headers": "a"}`, keyHeaders, nil, `invalid headers in config: "a" (want an object of strings)`},
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
		"empty list":             {`{"names": []}`, keyNames, nil, ``},
		"absent":                 {`{}`, keyNames, nil, ``},
		"one where it is a list": {`{"names": "a"}`, keyNames, nil, `invalid names in config: "a" (want a list of strings)`},
		"one where it may be":    {`{"words": "${NAME}"}`, keyWords, []string{"value"}, ``},
		"several":                {`{"words": ["a", "b"]}`, keyWords, []string{"a", "b"}, ``},
		"number":                 {`{"words": 5}`, keyWords, nil, `invalid words in config: 5 (want a string or a list of strings)`},
		"a number among them":    {`{"names": ["a", 5]}`, keyNames, []string{"a"}, `invalid names[1] in config: 5 (want a string)`},
		"null among them":        {`{"names": [null]}`, keyNames, nil, `invalid names[0] in config: null (want a string)`},
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
		"list":            {`{"_match_": ["a", "b"]}`, []string{"a", "b"}, ``},
		"a single string": {`{"_match_": "a"}`, []string{"a"}, ``},
		"not expanded":    {`{"_match_": ["${NAME}"]}`, []string{"${NAME}"}, ``},
		"not inherited":   {`{}`, nil, ``},
		"null":            {`{"_match_": null}`, nil, ``},
		"empty list":      {`{"_match_": []}`, nil, ``},
		"empty string":    {`{"_match_": ["a", ""]}`, []string{"a", ""}, `invalid _match_ in config: "" (want a list of strings that are not empty)`},
		"number":          {`{"_match_": [5]}`, []string{""}, `invalid _match_ in config: 5 (want a list of strings that are not empty)`},
		"object":          {`{"_match_": {"a": "b"}}`, []string{""}, `invalid _match_ in config: an object (want a list of strings that are not empty)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(`{"_match_": ["global"]}`).Over(gjson.Parse(test.rule))
			if got := s.Conditions("_match_"); !slices.Equal(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}
