package template

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestVariables(t *testing.T) {
	value := func(r Reference) Value {
		return Value{Text: map[string]string{"S": `a"b/c&d e`, "N": "5", "P": "/x?y=", "DIR": "/base/v1"}[r.Name]}
	}
	for text, want := range map[string]map[Syntax]string{
		"${S}":                        {Plain: `a"b/c&d e`, JSON: `a"b/c&d e`, Form: `a"b/c&d e`, Target: `a"b/c&d e`},
		`{"a": "${S:raw}"}`:           {JSON: `{"a": "a"b/c&d e"}`},
		`{"a": ${N}}`:                 {JSON: `{"a": 5}`},
		`{"a\"": "\\", "b": "${S}"}`:  {JSON: `{"a\"": "\\", "b": "a\"b/c&d e"}`},
		`"x" ${S} "${S}"`:             {JSON: `"x" a"b/c&d e "` + `a"b/c&d e"`}, // the first has a quote, which opens a string
		"a=${S}&b=${S:raw}":           {Form: `a=a%22b%2Fc%26d+e&b=a"b/c&d e`},
		"${DIR}/token?a=${S}":         {Target: `/base/v1/token?a=a%22b%2Fc%26d%20e`},
		"/t/${S}?a=${S}":              {Target: `/t/a%22b/c&d%20e?a=a%22b%2Fc%26d%20e`},
		"${P:raw}${S}":                {Target: `/x?y=a%22b%2Fc%26d%20e`},
		"$${S} $$${S} $S {S}":         {Plain: `${S} $${S} $S {S}`},
		"Basic ${S}":                  {Plain: `Basic a"b/c&d e`},
		`<a b="${S}">${S}</a>`:        {XML: `<a b="a&#34;b/c&amp;d e">a&#34;b/c&amp;d e</a>`},
		"no reference at all { } $ }": {Plain: "no reference at all { } $ }"},
	} {
		parsed, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for syntax, want := range want {
			if got := parsed.Expand(syntax, value).Text(); got != want {
				t.Errorf("%s, syntax %d:\ngot      %s\nexpected %s", text, syntax, got, want)
			}
		}
	}
	for _, text := range []string{"${", "a ${NAME", "${A} ${B"} {
		if _, err := Parse(text); !errors.Is(err, ErrUnclosed) {
			t.Errorf("%s: got %v, expected %v", text, err, ErrUnclosed)
		}
	}
}

func TestBodySyntax(t *testing.T) {
	for _, test := range []struct {
		contentType, text string
		want              Syntax
	}{
		{"application/json", "${A}", JSON},
		{"Application/JSON; charset=utf-8", `{"a": "${A}"`, JSON},
		{"application/vnd.api+json", "", JSON},
		{"", `{"a": "${A}", "b": ${B}, "${C}": ["x${D}y"]}`, JSON},
		{"text/plain", `{"a": "${A}"}`, JSON},
		{"", `["${A}"]`, JSON},
		{"", `{"a": ${A}${B}}`, Plain}, // two values in a row are no JSON
		{"", `"${A}"`, JSON},
		{"", "a=${A}", Plain},
		{"", "", Plain},
		{"application/x-www-form-urlencoded", `{"a": "${A}"}`, Form},
		{"APPLICATION/x-www-form-urlencoded ;charset=utf-8", "a=${A}", Form},
		{"text/xml", "<a>${A}</a>", XML},
		{"application/soap+xml; charset=utf-8", "<a>${A}</a>", XML},
		{"multipart/form-data; boundary=a", "--a\r\n${A}", Plain},
		{"text/plain", "${A}", Plain},
		{"text/plain; charset=utf-8", "a ${A}", Text},
	} {
		parsed, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.BodySyntax(test.contentType); got != test.want {
			t.Errorf("%s, %s: got %d, expected %d", test.contentType, test.text, got, test.want)
		}
	}
}

// What comes from outside finds no place where it would be more than data.
func TestOutsideIsData(t *testing.T) {
	later := func(r Reference) Value {
		if r.Name == "V" {
			return Value{Text: "a/../b"}
		}
		return Value{Deferred: r.Origin.Kind == Header}
	}
	moved := &MissingError{Origin{Header, "in"}}
	for _, test := range []struct {
		syntax      Syntax
		text, value string
		rendered    string
		want        error
	}{
		{Plain, "a ${request.header.in}", `a"b`, `a a"b`, nil},
		{Plain, "${request.header.in:raw}", "x", "", ErrRaw},
		{JSON, `{"a": ${request.header.in}}`, "x", "", ErrSyntax},
		{JSON, `{"a": "${request.header.in}"}`, "a\"\\\r\x01é", `{"a": "a\"\\\u000d\u0001é"}`, nil},
		{JSON, `{"a": "${request.header.in}"}`, "a\xff", "", moved},
		{Form, "a=${request.header.in}", "a b&c=d+%\xff", "a=a+b%26c%3Dd%2B%25%FF", nil},
		{Text, "a ${request.header.in}", "a\nb", "", moved},
		{Text, "a ${request.header.in}", "a\x7fb", "", moved},
		{XML, "<a>${request.header.in}</a>", `<"&'>`, "<a>&lt;&#34;&amp;&#39;&gt;</a>", nil},
		{XML, "<a>${request.header.in}</a>", "\x01", "", moved},
		{XML, "<a>${request.header.in}</a>", "\xff", "", moved},
		{Target, "/a/${request.header.in}/b", "a/b?c#d%", "/a/a%2Fb%3Fc%23d%25/b", nil},
		{Target, "/a/${request.header.in}/b", ".", "", moved},
		{Target, "/a/${request.header.in}.", ".", "", moved},
		{Target, "/a/${request.header.in}${request.header.in}/b", ".", "", moved},
		{Target, "/a/${request.header.in}", "x/..", "", moved},
		{Target, "/a/${request.header.in}", `x\..\y`, "", moved},
		{Target, "/a/..${request.header.in}", "/x", "", moved},
		{Target, "/a/../${request.header.in}", "..", "", moved},
		{Target, "/a/../${request.header.in}", "x..y", "/a/../x..y", nil},
		{Target, "/${V}/${request.header.in}", "...", "/a/../b/...", nil},
		{Target, "/a?b=${request.header.in}", "../..", "/a?b=..%2F..", nil},
	} {
		parsed, err := Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		expanded := parsed.Expand(test.syntax, later)
		if got, want := expanded.Origins(), (Origin{Header, "in"}); !slices.Contains(got, want) {
			t.Errorf("%s: got the origins %v, expected %v", test.text, got, want)
		}
		if got, err := expanded.Render(func(Origin) (string, error) { return test.value, nil }); fmt.Sprint(err) != fmt.Sprint(test.want) || got != test.rendered {
			t.Errorf("%s with %q: got %q and %v, expected %q and %v", test.text, test.value, got, err, test.rendered, test.want)
		}
	}
	missing := errors.New("missing")
	parsed, _ := Parse("a ${request.header.in}")
	if _, err := parsed.Expand(Plain, later).Render(func(Origin) (string, error) { return "", missing }); !errors.Is(err, missing) {
		t.Errorf("got %v, expected the error of the value", err)
	}
}

// A text never has the identity of a reference.
func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"${request.host}", "\x00request.host\x00", "\x00\x00request.host\x00\x00", "a${request.host}", "a\x00${request.host}", "${request.host}\x00a", "${request.path}"} {
		parsed, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		identity := parsed.Expand(Plain, func(Reference) Value { return Value{Deferred: true} }).Identity()
		if other, isTaken := seen[identity]; isTaken {
			t.Errorf("%q and %q have the same identity %q", text, other, identity)
		}
		seen[identity] = text
	}
}

// What is asked of a template besides its text.
func TestShapeOfATemplate(t *testing.T) {
	late := func(text string) Template {
		parsed, err := ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Expand(Plain, func(r Reference) Value { return Value{Deferred: r.Origin.Kind != None} })
	}
	whole, part, fixed := late("${token.a}"), late("/${token.a}"), Literal("/a")
	if origin, ok := whole.Whole(); !ok || origin != (Origin{Token, "a"}) {
		t.Errorf("got %v, %v; expected the one reference", origin, ok)
	}
	if _, ok := part.Whole(); ok || part.IsFixed() || !fixed.IsFixed() || part.IsEmpty() || !Literal("").IsEmpty() {
		t.Error("a text with a reference is taken for one without, or for nothing but a reference")
	}
	if whole.HasPrefix("/") || !part.HasPrefix("/") || !whole.After("/").HasPrefix("/") || whole.After("/").Identity() != part.Identity() {
		t.Errorf("got %q and %q, expected them to be the same", whole.After("/").Identity(), part.Identity())
	}
	if origin := part.Origins()[0]; origin.IsRequest() || !(Origin{Kind: Host}).IsRequest() {
		t.Error("a named token is taken for a part of the request")
	}
	if got := late(`${request.header.a\u002db}`).Origins(); len(got) != 1 || got[0].Name != "a-b" {
		t.Errorf("got %v, expected the name as JSON has it", got)
	}
}
