package schema

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestExpand(t *testing.T) {
	const badName = "invalid text in config: a variable's name in ${…} may have letters, digits and _ only (write $${ for a literal ${)"
	const notReplaced = "invalid text in config: " + wantReplaced
	tests := map[string]struct{ text, want, err string }{
		"one":                      {"${NAME}", "value", ``},
		"escaped":                  {"$${NAME}", "${NAME}", ``},
		"with dots":                {"${a.b} ${NAME}", " value", unknownOrigin},
		"a reference":              {"${request.host}", "", "invalid text in config: the value of ${request.host} is only known when a call is made (allowed in words, references, claims)"},
		"almost a reference":       {"${request.headers.x}", "", "invalid text in config: an unknown ${…} with dots (did you mean ${request.header.x}?)"},
		"of the gateway":           {"s3cr3t ${secret.ns/name.key} ${NAME}", "s3cr3t  value", notReplaced},
		"of the gateway, no name":  {"${secret.}", "", notReplaced},
		"no dot after secret":      {"${secret}", "", `invalid text in config: environment variable secret is not set in the VM`},
		"what a value has, is not": {"${NESTED}", "${NAME}", ``},
		"not closed":               {"s3cr3t ${NAME", "", "invalid text in config: ${ without } (want ${NAME}, or $${ for a literal ${)"},
		"a space in it":            {"${NA ME}", "", badName},
		"not set":                  {"s3cr3t ${NOT_SET}", "s3cr3t ", `invalid text in config: environment variable NOT_SET is not set in the VM`},
		"not set, very long":       {"${" + strings.Repeat("A", 101) + "}", "", `invalid text in config: environment variable ` + strings.Repeat("A", 100) + `… is not set in the VM`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Parse([]byte(`{}`), keyRoot, func(name string) (string, bool) {
				if name == "NESTED" {
					return "${NAME}", true
				}
				return environment(name)
			})
			if got := s.Expand("text", test.text); got != test.want {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

// What the gateway should have replaced is an error wherever it stands, which shows nothing of the value.
func TestSecretThatIsNotReplaced(t *testing.T) {
	const secret = `s3cr3t${secret.ns/name.key}`
	read := func(s Section) {
		s.String(keyText)
		s.Members(keyHeaders)
		s.Strings(keyNames)
		s.Strings(keyWords)
		s.Object(keyObject).String(keyInside)
		s.Conditions("_match_")
	}
	tests := map[string]struct{ json, at string }{
		"text":           {`{"text": "` + secret + `"}`, "text"},
		"member":         {`{"headers": {"a": "b", "c": "` + secret + `"}}`, "headers.c"},
		"element":        {`{"names": ["a", "` + secret + `"]}`, "names[1]"},
		"one for a list": {`{"words": "` + secret + `"}`, "words"},
		"in an object":   {`{"object": {"inside": "` + secret + `"}}`, "object.inside"},
		"rule's own":     {`{"_match_": ["a", "` + secret + `"]}`, "_match_"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := "invalid " + test.at + " in config: " + wantReplaced
			global := parse(test.json)
			read(global)
			checkErr(t, global, want)
			rule := parse(`{}`).Override(gjson.Parse(test.json))
			read(rule)
			checkErr(t, rule, want)
		})
	}
}

const wantReplaced = "the gateway has not replaced its ${secret.…} (want ${secret.namespace/name.key} of a Secret that it can read, " +
	"without quotes and line ends in its value)"

const unknownOrigin = "invalid text in config: an unknown ${…} with dots (want ${token.NAME}, ${request.header.NAME}, ${request.cookie.NAME}, " +
	"${request.query.NAME}, ${request.host}, ${request.path}, ${request.method}, ${caller.claim.NAME}, ${caller.token}, or $${ for a literal ${)"

// A reference is taken where it may be, with its token among those that there are.
func TestReferences(t *testing.T) {
	for name, test := range map[string]struct {
		text, identity string
		err            string
	}{
		"request":         {"a ${request.header.X} ${NAME}", "a \x00request.header.x\x00 value", ""},
		"literal":         {"$${request.header.X}", "${request.header.X}", ""},
		"token":           {"${token.login}", "\x00token.login\x00", ""},
		"misspelt token":  {"${token.logni}", "\x00token.logni\x00", "invalid references in config: there is no token logni (did you mean ${token.login}?)"},
		"no such token":   {"${token.x}", "\x00token.x\x00", "invalid references in config: there is no token x"},
		"raw":             {"${request.header.x:raw}", "\x00request.header.x\x00", "invalid references in config: values from outside can't be inserted raw"},
		"of the gateway":  {"${secret.a/b.c} ${request.host}", " \x00request.host\x00", "invalid references in config: " + wantReplaced},
		"no known origin": {"${request.body}", "", "invalid references in config: " + strings.TrimPrefix(unknownOrigin, "invalid text in config: ")},
	} {
		s := parse(`{"references": ` + strconv.Quote(test.text) + `}`).WithTokens(map[string]bool{"login": true, "other": true})
		if got := s.Template(keyReferences, nil).Identity(); got != test.identity {
			t.Errorf("%s: got %q, expected %q", name, got, test.identity)
		}
		checkErr(t, s, test.err)
	}
}

// What a gateway will put in is not checked, but all else is.
func TestValuesThatAreNotKnownHere(t *testing.T) {
	parse := func(json string) Section {
		return Parse([]byte(json), keyRoot, func(name string) (string, bool) {
			if name == "LATER" || name == "secret.ns/name.key" {
				return Unknown, true
			}
			return environment(name)
		})
	}
	s := parse(`{"text": "a ${LATER} ${NAME}", "mode": "${LATER}", "headers": {"a": "${secret.ns/name.key}"}, "path": "${NOT_SET}", "words": "${secret.ns/name.other}"}`)
	if got, want := s.String(keyText), "a ${LATER} value"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	s.String(keyMode)
	s.Members(keyHeaders)
	s.String(keyPath)
	s.Strings(keyWords)
	checkErr(t, s, `invalid path in config: environment variable NOT_SET is not set in the VM; invalid words in config: `+wantReplaced)
	rule := s.InRule("_rules_[0]").Override(gjson.Parse(`{"_match_": ["${secret.ns/name.key}"], "mode": "${secret.ns/name.key}"}`))
	rule.Conditions("_match_")
	rule.String(keyMode)
	want := []string{"mode is not checked: the value of ${LATER} is not known here", "_rules_[0]: mode is not checked: the value of ${secret.ns/name.key} is not known here"}
	if got := s.Unchecked(); !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}
