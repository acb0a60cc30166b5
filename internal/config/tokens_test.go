package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
)

// named is a named token with a header made of references.
func named(name, header string) string {
	return fmt.Sprintf(`%q: {"serviceName": "%s.dns", "requestPath": "/", "tokenPath": "t", "requestHeaders": {"X-Link": %q}}`, name, name, header)
}

// row is a row of named tokens, each of which refers to the next.
func row(names ...string) string {
	var tokens []string
	for i, name := range names {
		header := "x"
		if i+1 < len(names) {
			header = "${token." + names[i+1] + "}"
		}
		tokens = append(tokens, named(name, header))
	}
	return `"tokens": {` + strings.Join(tokens, ", ") + `}`
}

const refersTo = `"cache": {}, "requestHeaders": {"X-Link": "${token.a}"}, `

func TestErrorsOfNamedTokens(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	const where = " is only known when a call is made (allowed in requestPath, requestHeaders, requestBody, oauth2.scopes, "
	rule := func(more string) string {
		return extended(refersTo + row("a", "b", "c") + `, "_rules_": [{"_match_route_": ["r"], ` + more + `}]`)
	}
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("t%d", i))
		}
		return list
	}
	var nine, nineRefs []string
	for _, name := range names(9) {
		nine, nineRefs = append(nine, named(name, "x")), append(nineRefs, "${token."+name+"}")
	}
	for name, test := range map[string]struct{ config, want string }{
		"four in a row":      {extended(refersTo + row("a", "b", "c", "d")), ""},
		"five in a row":      {extended(refersTo + row("a", "b", "c", "d", "e")), "invalid tokens in config: a → b → c → d → e is a chain of more than 4"},
		"many in a row":      {extended(refersTo + row(append([]string{"a"}, names(10_000)...)...)), "invalid tokens in config: a → t0 → t1 → t2 → t3 → … → t62 → t63 is a chain of more than 4"},
		"a circle of itself": {extended(refersTo + `"tokens": {` + named("a", "${token.a}") + `}`), "invalid tokens in config: circular references: a → a"},
		"a circle":           {extended(refersTo + `"tokens": {` + named("a", "${token.b}") + `, ` + named("b", "${token.c}") + `, ` + named("c", "${token.b}") + `}`), "invalid tokens in config: circular references: b → c → b"},
		"a rule's circle":    {rule(`"tokens": {` + named("c", "${token.a}") + `}`), "_rules_[0]: invalid tokens in config: circular references: c → a → b → c"},
		"a rule's chain":     {rule(`"tokens": {` + named("c", "${token.d}") + `, ` + named("d", "${token.e}") + `, ` + named("e", "x") + `}`), "_rules_[0]: invalid tokens in config: a → b → c → d → e is a chain of more than 4"},
		"eight at once":      {extended(`"requestBody": "[\"` + strings.Join(nineRefs[:8], "") + `\"]", "tokens": {` + strings.Join(nine, ", ") + `}`), ""},
		"nine at once":       {extended(`"requestBody": "[\"` + strings.Join(nineRefs, "") + `\"]", "tokens": {` + strings.Join(nine, ", ") + `}`), "invalid tokens in config: a call refers to 9 of them (want at most 8)"},
		"nine of a token":    {extended(refersTo + `"tokens": {` + named("a", strings.Join(nineRefs, "")) + `, ` + strings.Join(nine, ", ") + `}`), "invalid tokens in config: a refers to 9 others (want at most 8)"},

		"no such token":            {extended(refersTo + row("b")), "invalid requestHeaders.X-Link in config: there is no token a (did you mean ${token.b}?)"},
		"no such token of a token": {extended(refersTo + row("a") + `, "tokenPrefix": "x"`), ""},
		"a rule's end":             {rule(`"tokens": {"a": null}`), "_rules_[0]: invalid requestHeaders.X-Link in config: there is no token a (did you mean ${token.b}?)"},
		"a rule's middle":          {rule(`"tokens": {"b": null}`), "_rules_[0]: invalid tokens in config: a refers to b, which does not exist"},
		"a rule that uses none":    {rule(`"tokens": {"b": null}, "requestHeaders": null`), ""},

		"nothing in it":  {extended(`"tokens": {"a": {}}`), "missing tokens.a.requestPath in config; missing tokens.a.serviceName in config; missing tokens.a.responseHeader in config (want it, or tokenPath for a token in a JSON answer)"},
		"a token header": {extended(`"tokens": {"a": {"tokenHeader": "X"}}`), "unknown key tokens.a.tokenHeader in config"},
		"a failure":      {extended(`"tokens": {"a": {"jwt": {"secret": "` + secret + `"}, "failure": {}}}`), "unknown key tokens.a.failure in config"},
		"its warm-up":    {extended(`"tokens": {"a": {"jwt": {"secret": "` + secret + `", "claims": {"sub": "${request.header.x}"}}, "cache": {"warmUp": true}}}`), "invalid tokens.a.cache.warmUp in config: true (want false: tokens are per caller, so there is nothing to fetch ahead)"},

		"in another key": {extended(`"tokenPrefix": "${token.a}"`), "invalid tokenPrefix in config: the value of ${token.a}" + where},
		"in the address": {withoutService(`"serviceName": "${request.host}.dns"`), "invalid serviceName in config: the value of ${request.host}" + where},
		"in a failure":   {extended(`"failure": {"body": "${request.path}"}`), "invalid failure.body in config: the value of ${request.path}" + where},
		"in a secret":    {extended(`"oauth2": {"clientId": "a", "clientSecret": "${request.header.x}"}`), "invalid oauth2.clientSecret in config: the value of ${request.header.x}" + where},
	} {
		_, err := parse(test.config)
		if got := errorText(err); !strings.HasPrefix(got, test.want) || (test.want == "") != (err == nil) {
			t.Errorf("%s:\ngot      %.300s\nexpected %s", name, got, test.want)
		}
		if strings.Contains(errorText(err), "s3cr3t") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
}

func withoutService(more string) string {
	return strings.Replace(sampleJSON, `"serviceName": "token.dns"`, more, 1)
}

// What a rule says of a name holds for all that refers to it, and for nothing else.
func TestTokensOfRules(t *testing.T) {
	parsed := mustParse(t, extended(refersTo+row("a", "b", "c")+`, "_rules_": [
		{"_match_route_": ["inherits"]},
		{"_match_route_": ["the middle"], "tokens": {`+named("b", "other ${token.c}")+`}},
		{"_match_route_": ["another end"], "requestHeaders": {"X-Link": "${token.b}"}, "tokens": {"a": null}},
		{"_match_route_": ["one more"], "tokens": {`+named("d", "x")+`}},
		{"_match_route_": ["none"], "requestHeaders": null}]`))
	chain := func(s *TokenConfig) (names []string) {
		s.Each(func(name string, _ *TokenConfig) { names = append(names, name) })
		return names[1:]
	}
	find := func(s *TokenConfig, of string) (found *TokenConfig) {
		s.Each(func(name string, of2 *TokenConfig) {
			if name == of {
				found = of2
			}
		})
		return found
	}
	global := &parsed.Global.TokenConfig
	for i, want := range []struct {
		names, same []string // tokens, and those that are the global part's
		sameCall    bool
	}{
		{[]string{"a", "b", "c"}, []string{"a", "b", "c"}, true},
		{[]string{"a", "b", "c"}, []string{"c"}, false},
		{[]string{"b", "c"}, []string{"b", "c"}, false},
		{[]string{"a", "b", "c"}, []string{"a", "b", "c"}, true},
		{nil, nil, false},
	} {
		part := &parsed.Rules[i].Part.TokenConfig
		if got := chain(part); !slices.Equal(got, want.names) {
			t.Errorf("rule %d: got the tokens %v, expected %v", i, got, want.names)
		}
		if got := part.Identity == global.Identity; got != want.sameCall {
			t.Errorf("rule %d: got the same token %v, expected %v", i, got, want.sameCall)
		}
		for _, name := range want.names {
			if got := find(part, name).Identity == find(global, name).Identity; got != slices.Contains(want.same, name) {
				t.Errorf("rule %d: token %s: got the same %v", i, name, got)
			}
		}
	}
	if want := []string{"tokens.d is not used: nothing refers to ${token.d}"}; !slices.Equal(parsed.Warnings, want) {
		t.Errorf("got the warnings %q, expected %q", parsed.Warnings, want)
	}
}

// A rule that says how its token comes does not inherit another way.
func TestSignedOrCalledInRules(t *testing.T) {
	const signs = `"jwt": {"secret": "0123456789abcdef0123456789abcdef"}`
	for name, test := range map[string]struct {
		config string
		want   bool
	}{
		"signs over a call":     {extended(`"_rules_": [{"_match_route_": ["a"], ` + signs + `}]`), true},
		"calls over a signing":  {`{"tokenHeader": "X", ` + signs + `, "_rules_": [{"_match_route_": ["a"], "serviceName": "a.dns", "requestPath": "/"}]}`, false},
		"inherits the signing":  {`{"tokenHeader": "X", ` + signs + `, "_rules_": [{"_match_route_": ["a"], "tokenPrefix": ""}]}`, true},
		"takes the signing off": {`{"enabled": false, "tokenHeader": "X", ` + signs + `, "_rules_": [{"_match_route_": ["a"], "jwt": null, "serviceName": "a.dns", "requestPath": "/"}]}`, false},
	} {
		if got := mustParse(t, test.config).Rules[0].Part.Service.IsSigned(); got != test.want {
			t.Errorf("%s: got signed %v, expected %v", name, got, test.want)
		}
	}
}

func TestWarningsOfReferences(t *testing.T) {
	for name, test := range map[string]struct{ config, want string }{
		"not used":                {extended(row("a")), "tokens.a is not used: nothing refers to ${token.a}"},
		"used by none in use":     {extended(row("a", "b")), "tokens.a is not used: nothing refers to ${token.a}\ntokens.b is not used: nothing refers to ${token.b}"},
		"used by what is off":     {extended(`"enabled": false, "requestPath": "/${token.a}", ` + row("a")), ""},
		"a claim":                 {extended(`"requestPath": "/${caller.claim.org}"`), "${caller.claim.org} is read from a token that no call sends to a service to verify: any client could forge the claim and get another one's token (have an earlier filter verify the token)"},
		"a header":                {extended(`"requestPath": "/${request.header.X-Tenant}"`), "${request.header.x-tenant} is set by the client: it can choose whose token it gets (restrict this rule to trusted clients, or have an earlier filter set it)"},
		"no caller to refuse":     {extended(`"refusedWhen": [{"status": [401]}]`), "refusedWhen is not used: the call sends nothing of the client's request, so the token service can't refuse the caller"},
		"a caller to refuse":      {extended(`"forwardHeaders": ["X-Key"], "refusedWhen": [{"status": [401]}]`), ""},
		"one of a named token":    {extended(`"refusedWhen": [{"status": [401]}], ` + refersTo + `"tokens": {"a": {"serviceName": "a.dns", "requestPath": "/", "tokenPath": "t", "forwardHeaders": ["X-Key"]}}`), ""},
		"inherited, not for here": {extended(`"forwardHeaders": ["X-Key"], "refusedWhen": [{"status": [401]}], "_rules_": [{"_match_route_": ["r"], "forwardHeaders": null}]`), ""},
	} {
		config := strings.Replace(test.config, `"requestPath": "/token", `, "", strings.Count(test.config, `"requestPath": "/`)-1-strings.Count(test.config, `.dns", "requestPath": "/",`))
		parsed, err := parse(config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(parsed.Warnings, "\n"); got != test.want {
			t.Errorf("%s:\ngot      %s\nexpected %s", name, got, test.want)
		}
	}
}

// The time of a start is in proportion to the size of the configuration, whatever refers to what.
func TestTimeOfNamedTokens(t *testing.T) {
	var web, circles, rules, overrides, links, values []string
	const count = 400
	for i := range count {
		var others []string
		for j := range 8 {
			others = append(others, fmt.Sprintf("${token.t%d}", (i/8+1)*8+j))
		}
		if i >= 32 {
			others = nil
		}
		web = append(web, named(fmt.Sprintf("t%d", i), strings.Join(others, "")))
		circles = append(circles, named(fmt.Sprintf("t%d", i), fmt.Sprintf("${token.t%d}${token.t%d}${token.t%d}", (i*7+1)%count, (i*11+3)%count, (i*13+5)%count)))
	}
	for i := range 5000 {
		rules = append(rules, fmt.Sprintf(`{"_match_route_": ["r%d"]}`, i))
		links, values = append(links, fmt.Sprintf("${token.x%d}", i)), append(values, fmt.Sprintf("${request.header.x%d}", i))
	}
	for i := range 500 {
		overrides = append(overrides, fmt.Sprintf(`{"_match_route_": ["r%d"], "tokens": {%s}}`, i, named("b", fmt.Sprint(i, " ${token.c}"))))
	}
	for name, config := range map[string]string{
		"a web":             extended(refersTo + `"tokens": {` + named("a", "${token.t0}") + `, ` + strings.Join(web, ", ") + `}`),
		"circles":           extended(`"tokens": {` + strings.Join(circles, ", ") + `}`),
		"rules":             extended(refersTo + row("a", "b", "c", "d") + `, "_rules_": [` + strings.Join(rules, ", ") + `]`),
		"rules with theirs": extended(refersTo + row("a", "b", "c", "d") + `, "_rules_": [` + strings.Join(overrides, ", ") + `]`),
		"values":            extended(`"requestBody": "[\"` + strings.Join(values, "") + `\"]"`),
		"names":             extended(`"requestBody": "` + strings.Join(links, "") + `", "tokens": {` + strings.Join(web, ", ") + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			fuzzing.InTime(t, len(config), func() { _, err = parse(config) })
			if isGood := !slices.Contains([]string{"a web", "circles", "names"}, name); isGood != (err == nil) {
				t.Errorf("got %.300v", err)
			}
		})
	}
}
