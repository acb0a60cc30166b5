package template

import (
	"strings"
	"testing"
)

func TestOrigins(t *testing.T) {
	for text, want := range map[string]Origin{
		"token.a-B_1":                   {Token, "a-B_1"},
		"request.header.X-Tenant":       {Header, "x-tenant"},
		"request.cookie.__Host-session": {Cookie, "__Host-session"},
		"request.query.tenant id":       {Query, "tenant id"},
		"request.query.a.b":             {Query, "a.b"},
		"request.host":                  {Kind: Host},
		"request.path":                  {Kind: Path},
		"request.method":                {Kind: Method},
		"caller.claim.org.id":           {Claim, "org.id"},
		`caller.claim.https://a\.b/c`:   {Claim, `https://a\.b/c`},
		"caller.token":                  {Kind: Bearer},
		"request.header:X-Tenant":       {Header, "x-tenant"},
		"request.query:a":               {Query, "a"},
		"caller.claim:org|id":           {Claim, "org|id"},
	} {
		parsed, err := Parse("${" + text + "}")
		if err != nil {
			t.Fatal(err)
		}
		got := *parsed.parts[0].reference
		if got.Origin != want || got.Err != nil {
			t.Errorf("%s: got %v and %v, expected %v", text, got.Origin, got.Err, want)
		}
		if got := got.Origin.String(); !strings.EqualFold(got, text) && !strings.Contains(text, ":") {
			t.Errorf("%s: it is written back as %s", text, got)
		}
	}
	for text, want := range map[string]string{
		"request.headers.x":      "did you mean ${request.header.x}?",
		"request.headers":        "did you mean ${request.header.NAME}?",
		"request.header.":        "did you mean ${request.header.NAME}?",
		"request.header.a b":     "did you mean ${request.header.NAME}?",
		"requests.header.x":      "did you mean ${request.header.x}?",
		"request.cookies.s":      "did you mean ${request.cookie.s}?",
		"request.param.tenant":   "did you mean ${request.query.tenant}?",
		"request.queries.tenant": "did you mean ${request.query.tenant}?",
		"request.header.Host":    "did you mean ${request.host}?",
		"request.query.a\nb":     "did you mean ${request.query.NAME}?",
		"caller.claim.a\x00":     "did you mean ${caller.claim.PATH}?",
		"request.authority":      "did you mean ${request.host}?",
		"request.host.name":      "did you mean ${request.host}?",
		"req.path":               "did you mean ${request.path}?",
		"tokens.login":           "did you mean ${token.NAME}?",
		"token.":                 "did you mean ${token.NAME}?",
		"token.a b":              "did you mean ${token.NAME}?",
		"caller.token.org":       "did you mean ${caller.token}?",
		"caller.bearer":          "did you mean ${caller.token}?",
		"caller.org":             "did you mean ${caller.claim.PATH}?",
		"jwt.claim.org":          "did you mean ${caller.claim.PATH}?",
		"a.b":                    "an unknown ${…} with dots (want ${token.NAME}, ${request.header.NAME}, ",
	} {
		parsed, err := Parse("${" + text + "}")
		if err != nil {
			t.Fatal(err)
		}
		if got := *parsed.parts[0].reference; got.Err == nil || !strings.Contains(got.Err.Error(), want) || got.Origin != (Origin{}) {
			t.Errorf("%s: got %v and %v, expected an error with %q", text, got.Origin, got.Err, want)
		}
	}
}
