package schema

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// The keys of the tests: one of each kind, one whose value is secret, and one inside an object.
var (
	keyText       = &Key{Name: "text", Kind: Text, Default: "default", Identity: true}
	keyMode       = &Key{Name: "mode", Kind: Text, OneOf: []string{"a", "b"}}
	keyCount      = &Key{Name: "count", Kind: Integer, Default: 5, Min: 1, Max: 100, Identity: true}
	keySpare      = &Key{Name: "spare", Kind: Integer, Max: 9}
	keyFlag       = &Key{Name: "flag", Kind: Boolean, Default: true, Identity: true}
	keyHeaders    = &Key{Name: "headers", Kind: TextMap, Identity: true}
	keySecrets    = &Key{Name: "secrets", Kind: TextMap, Secret: true}
	keyNames      = &Key{Name: "names", Kind: TextList, Identity: true}
	keyWords      = &Key{Name: "words", Kind: TextOrList, References: true, Identity: true}
	keyClaims     = &Key{Name: "claims", Kind: JSONObject, References: true, Identity: true}
	keyNamed      = &Key{Name: "named", Kind: ObjectMap, Keys: []*Key{keyInside}}
	keyReferences = &Key{Name: "references", Kind: Text, References: true, Identity: true}
	keyPath       = &Key{Name: "path", Kind: Text, Identity: true}
	keyOdd        = &Key{Name: "odd", Kind: "a list of objects", Identity: true, Keys: []*Key{keyInside}}
	keyInside     = &Key{Name: "inside", Kind: Text, Secret: true, Identity: true}
	keyObject     = &Key{Name: "object", Kind: Object, Identity: true, Keys: []*Key{keyInside}}

	keyRoot = &Key{Kind: Object, Keys: []*Key{
		keyText, keyMode, keyCount, keySpare, keyFlag, keyHeaders, keySecrets, keyNames, keyWords, keyPath, keyOdd, keyObject, keyReferences, keyClaims, keyNamed,
	}}
)

// environment stands for the VM's.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t", "EMPTY": ""}[name]
	return value, ok
}

func parse(json string) Section { return Parse([]byte(json), keyRoot, environment) }

// checkErr expects that error text, or none.
func checkErr(t *testing.T, s Section, want string) {
	t.Helper()
	got := ""
	if err := s.Err(); err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error:\ngot      %q\nexpected %q", got, want)
	}
}

func TestKeysThatAreNotKnown(t *testing.T) {
	tests := map[string]struct{ json, want string }{
		"known":                        {`{"text": "a", "count": 1}`, ``},
		"the gateway's own":            {`{"_rules_": 1, "_plugin_id_": 2}`, ``},
		"one letter missing":           {`{"txt": 1}`, `unknown key txt in config (did you mean text?)`},
		"one letter too many":          {`{"countt": 1}`, `unknown key countt in config (did you mean count?)`},
		"other case":                   {`{"Text": 1}`, `unknown key Text in config (did you mean text?)`},
		"too many others":              {`{"cxxxt": 1}`, `unknown key cxxxt in config`},
		"nothing near":                 {`{"zzzzzz": 1}`, `unknown key zzzzzz in config`},
		"in an object":                 {`{"object": {"insid": 1}}`, `unknown key object.insid in config (did you mean object.inside?)`},
		"in an object, as a gateway's": {`{"object": {"_inside": 1}}`, `unknown key object._inside in config (did you mean object.inside?)`},
		"twice":                        {`{"text": "a", "text": "b"}`, `duplicate key text in config`},
		"twice, the gateway's own":     {`{"_id_": 1, "_id_": 1}`, `duplicate key _id_ in config`},
		"not printable":                {`{"z\u001b[2J\n": 1}`, "unknown key z�[2J� in config"},
		"very long":                    {`{"` + strings.Repeat("z", 101) + `": 1}`, `unknown key ` + strings.Repeat("z", 100) + `… in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.json)
			s.Object(keyObject)
			checkErr(t, s, test.want)
		})
	}
}

// A key is taken from the first layer that has it, objects are merged, and null takes away (RFC 7396).
func TestLayers(t *testing.T) {
	tests := map[string]struct {
		global, rule             string
		text, inside, headers    string // as the rule has them
		hasText, hasOwn, ownText bool
	}{
		"the global value":           {`{"text": "g", "object": {"inside": "g"}, "headers": {"a": "g"}}`, `{}`, "g", "g", "a=g", true, false, false},
		"the rule's value":           {`{"text": "g", "object": {"inside": "g"}, "headers": {"a": "g"}}`, `{"text": "r", "object": {"inside": "r"}, "headers": {"a": "r"}}`, "r", "r", "a=r", true, true, true},
		"null":                       {`{"text": "g", "object": {"inside": "g"}, "headers": {"a": "g"}}`, `{"text": null, "object": null, "headers": null}`, "default", "", "", false, true, false},
		"null inside":                {`{"object": {"inside": "g"}, "headers": {"a": "g", "b": "g"}}`, `{"object": {"inside": null}, "headers": {"a": null}}`, "default", "", "b=g", false, true, false},
		"null in the global part":    {`{"text": null, "object": null, "headers": null}`, `{"object": {"inside": "r"}, "headers": {"b": "r"}}`, "default", "r", "b=r", false, true, false},
		"merged, the rule's first":   {`{"headers": {"a": "g", "b": "g"}}`, `{"headers": {"c": "r", "b": "r"}}`, "default", "", "c=r b=r a=g", false, true, false},
		"only the gateway's own":     {`{"text": "g"}`, `{"_match_": ["a"]}`, "g", "", "", true, false, false},
		"empty objects take nothing": {`{"object": {"inside": "g"}, "headers": {"a": "g"}}`, `{"object": {}, "headers": {}}`, "default", "g", "a=g", false, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := parse(test.global).Override(gjson.Parse(test.rule))
			var headers []string
			for _, member := range s.Members(keyHeaders) {
				headers = append(headers, member.Name+"="+member.Value)
			}
			if got := strings.Join(headers, " "); got != test.headers {
				t.Errorf("headers: got %q, expected %q", got, test.headers)
			}
			if got := s.String(keyText); got != test.text {
				t.Errorf("text: got %q, expected %q", got, test.text)
			}
			if got := s.Object(keyObject).String(keyInside); got != test.inside {
				t.Errorf("inside: got %q, expected %q", got, test.inside)
			}
			if _, own := s.Own(keyText.Name); s.Has(keyText) != test.hasText || s.HasOwnKeys() != test.hasOwn || own != test.ownText {
				t.Errorf("got has %v, own keys %v, own text %v, expected %v, %v, %v",
					s.Has(keyText), s.HasOwnKeys(), own, test.hasText, test.hasOwn, test.ownText)
			}
			checkErr(t, s, "")
		})
	}
}

// What a layer takes away stays away, whatever is below.
func TestThreeLayers(t *testing.T) {
	s := parse(`{"text": "1", "headers": {"a": "1"}, "object": {"inside": "1"}}`).
		Override(gjson.Parse(`{"text": null, "headers": null, "object": null}`)).
		Override(gjson.Parse(`{"headers": {"b": "3"}, "object": {}}`))
	if members := s.Members(keyHeaders); len(members) != 1 || members[0].Name != "b" {
		t.Errorf("headers: got %v, expected b only", members)
	}
	if s.Has(keyText) || s.Object(keyObject).Has(keyInside) {
		t.Error("a key that was taken away is there")
	}
}

// The element of a list is read by itself; it inherits nothing.
func TestElement(t *testing.T) {
	s := parse(`{"odd": [{"inside": "a"}, {"inside": 5}]}`)
	value, _ := s.Value(keyOdd)
	entries := value.Array()
	if got := s.Element(keyOdd, 0, entries[0]).String(keyInside); got != "a" {
		t.Errorf("got %q, expected a", got)
	}
	second := s.Element(keyOdd, 1, entries[1])
	if got := second.Name(keyInside); got != "odd[1].inside" {
		t.Errorf("name: got %q, expected odd[1].inside", got)
	}
	second.String(keyInside)
	checkErr(t, s, `invalid odd[1].inside in config (want a string)`)
}

// What can't be read has nothing, so that a parser may go on and ask for the error at its end.
func TestBrokenConfigurationHasNothing(t *testing.T) {
	s := parse(`{"text": `)
	if _, own := s.Own("text"); own || s.HasOwnKeys() || s.Has(keyText) || s.Object(keyObject).Has(keyInside) {
		t.Error("it has keys")
	}
	checkErr(t, s, `invalid config: not JSON at line 1, column 9`)
}

// Each value of each key is read once, whichever section has it.
func TestOnce(t *testing.T) {
	s := parse(`{}`)
	reads := 0
	read := func() any { reads++; return reads }
	other := &Key{Name: "other"}
	for _, test := range []struct {
		section Section
		key     *Key
		value   string
		want    int
	}{
		{s, keyText, "a", 1}, {s, keyText, "a", 1}, {s.Override(gjson.Parse(`{}`)), keyText, "a", 1}, {s, keyText, "b", 2}, {s, other, "a", 3}, {parse(`{}`), keyText, "a", 4},
	} {
		if got := test.section.Once(test.key, test.value, read); got != test.want {
			t.Errorf("%s of %s: got %v, expected %d", test.value, test.key.Name, got, test.want)
		}
	}
}
