package tokenservice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
)

const sharedSecret = "0123456789abcdef0123456789abcdef"

// readReferring reads a part, or a named token, that may refer to the tokens login and other.
func readReferring(config string, isNamed bool) (*Service, schema.Section) {
	s := parse(config)
	return Read(s, Part{Enabled: true, Cache: s.Object(keyCache), IsCached: true, IsNamed: isNamed}), s
}

func signedConfig(jwt, more string) string {
	return `{"tokenHeader": "X-Token", "jwt": {` + jwt + `}` + more + `}`
}

func TestErrorsOfReferences(t *testing.T) {
	const secret = `"secret": "` + sharedSecret + `"`
	for name, test := range map[string]struct {
		config  string
		isNamed bool
		want    string // "": none
	}{
		"subject":                    {oauth2Config(exchange+`, "subjectToken": "${request.cookie.session}", "actorToken": "${token.login}"`, ""), false, ""},
		"two subjects":               {oauth2Config(exchange+`, "subjectToken": "${token.login}", "subjectTokenHeader": "X-User"`, ""), false, "(want either it or subjectTokenHeader)"},
		"a subject of two parts":     {oauth2Config(exchange+`, "subjectToken": "a ${token.login}"`, ""), false, "(want one reference and nothing else: "},
		"a claim as a subject":       {oauth2Config(exchange+`, "subjectToken": "${caller.claim.a}"`, ""), false, "(want one reference and nothing else: "},
		"subject and actor the same": {oauth2Config(exchange+`, "subjectToken": "${request.header.X-A}", "actorToken": "${request.header.X-A}"`, ""), false, "each only once"},
		"a subject of a hop":         {oauth2Config(exchange+`, "subjectToken": "${request.header.Connection}"`, ""), false, "of a header that may be set"},
		"assertion and subject":      {oauth2Config(jwtBearer+`, "assertion": "${token.login}", "subjectToken": "${token.other}"`, ""), false, "which say where the assertion comes from"},
		"no client assertion":        {oauth2Config(`"authStyle": "client_assertion"`, ""), false, "missing oauth2.clientAssertion in config (authStyle client_assertion needs it)"},
		"params set it, too":         {oauth2Config(`"authStyle": "client_assertion", "clientAssertion": "${token.login}", "params": {"client_assertion": "a"}`, ""), false, "another key sets it"},
		"password by reference":      {oauth2Config(`"clientId": "id", "clientSecret": "s", "grantType": "password", "params": {"username": "a", "password": "${token.login}"}`, ""), false, ""},
		"audience of a late path":    {`{"serviceName": "a.dns", "requestPath": "/${token.login}", "oauth2": {"clientId": "a", "authStyle": "client_secret_jwt", "clientSecret": "` + sharedSecret + `"}}`, false, "missing oauth2.assertionAudience in config (want it where requestPath has references)"},
		"body that is a token":       {extended(`"requestBody": "${token.login}"`), false, ""},
		"trace that is forwarded":    {extended(`"forwardHeaders": ["x-a"], "traceHeaders": ["X-A"]`), false, "nor one that the token call has already"},
		"signed":                     {signedConfig(secret+`, "keyId": "k", "header": {"typ": "at+jwt", "cty": "JWT"}, "claims": {"a": "${token.login}"}`, ""), false, ""},
		"signed, and a service":      {signedConfig(secret, `, "serviceName": "a.dns", "requestPath": "/"`), false, "(want either it, or a token service)"},
		"no key":                     {signedConfig(`"claims": {}`, ""), false, "missing jwt.privateKey in config (want it, or secret for HS256)"},
		"a short secret":             {signedConfig(`"secret": "s3cr3t"`, ""), false, "invalid jwt.secret in config (want at least 32 bytes)"},
		"a secret in base64":         {signedConfig(`"secretEncoding": "base64", "secret": "c2VjcmV0", "claims": {}`, ""), false, "invalid jwt.secret in config (want at least 32 bytes)"},
		"a secret in no base64":      {signedConfig(`"secretEncoding": "base64", "secret": "s3cr3t!"`, ""), false, "invalid jwt.secret in config (want base64, according to secretEncoding)"},
		"a secret in no hex":         {signedConfig(`"secretEncoding": "hex", "secret": "s3cr3t"`, ""), false, "invalid jwt.secret in config (want hex, according to secretEncoding)"},
		"an unknown encoding":        {signedConfig(secret+`, "secretEncoding": "base32"`, ""), false, `invalid jwt.secretEncoding in config: "base32" (want text, base64, hex)`},
		"a secret's algorithm":       {signedConfig(secret+`, "algorithm": "ES256"`, ""), false, "(want none with secret, which signs by HS256)"},
		"alg in the header":          {signedConfig(secret+`, "header": {"alg": "none"}`, ""), false, "invalid jwt.header.alg in config: another key sets it"},
		"a reference in a name":      {signedConfig(secret+`, "claims": {"a": [{"${token.login}": 1}]}`, ""), false, "a claim's name has a ${…}"},
		"claims that are no object":  {signedConfig(secret+`, "claims": "a"`, ""), false, `invalid jwt.claims in config: "a" (want an object of any values)`},
		"a named header's token":     {`{"serviceName": "a.dns", "requestPath": "/"}`, true, "missing responseHeader in config (want it, or tokenPath for a token in a JSON answer)"},
	} {
		_, s := readReferring(test.config, test.isNamed)
		switch err := s.Err(); {
		case (err == nil) != (test.want == ""):
			t.Errorf("%s: got %v, expected %q", name, err, test.want)
		case err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t")):
			t.Errorf("%s: got %q, expected %q", name, err, test.want)
		}
	}
}

func TestWarningsOfReferences(t *testing.T) {
	for config, want := range map[string]string{
		oauth2Config(`"clientId": "a", "clientSecret": "b", "subjectToken": "${token.login}", "assertion": "${token.login}"`, ""):                  "oauth2.assertion is not used: it belongs to grantType " + grantJWTBearer,
		oauth2Config(`"clientId": "a", "clientSecret": "b", "clientAssertion": "c"`, ""):                                                           "oauth2.clientAssertion is not used: it belongs to authStyle client_assertion",
		extended(`"responseHeader": "X-Auth", "tokenPath": "a"`):                                                                                   "responseHeader is not used: the token comes from tokenPath",
		extended(`"forwardHeaders": ["traceparent"]`):                                                                                              "want it in traceHeaders",
		signedConfig(`"secret": "`+sharedSecret+`"`, `, "timeout": 5`):                                                                             "timeout is not used: no token service is called where jwt signs the token",
		`{"serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T", "tokenPath": "t", "tokenPrefix": "x ", "requestBody": "${token.login}"}`: "tokenPrefix is not used: a reference stands for the token without it",
		`{"jwt": {"secret": "` + sharedSecret + `"}, "tokenPrefix": "x "}`:                                                                         "tokenPrefix is not used: a reference stands for the token without it",
		`{"serviceName": "a.dns", "requestPath": "/", "tokenPath": "t", "tokenPrefix": "a:", "basicAuth": true}`:                                   "basicAuth is not used: a reference stands for the token without it",
	} {
		if _, s := readReferring(config, strings.Contains(config, "tokenPrefix")); !strings.Contains(strings.Join(s.Warnings(), "\n"), want) {
			t.Errorf("%s: got %q, %v; expected %q", config, s.Warnings(), s.Err(), want)
		}
	}
}

// What a call refers to is in it, and its token depends on nothing else.
func TestCallOfALinkedService(t *testing.T) {
	first, _ := readReferring(`{"serviceName": "a.dns", "requestPath": "/${request.header.X-Tenant}", "responseHeader": "X-A", "timeout": 300, "forwardHeaders": ["X-User"]}`, true)
	second, _ := readReferring(oauth2Config(exchange+`, "subjectToken": "${token.login}", "scopes": ["a", "${request.query.scope}"], "params": {"who": "${caller.claim.sub}"}`, `, "timeout": 200, "traceHeaders": ["traceparent"]`), false)
	service := second.Link([]*Service{first.Link(nil)})
	if got, want := service.CallerHeaders(), []string{":path", "x-user", "x-tenant"}; !slices.Equal(got, want) {
		t.Errorf("got the caller's headers %q, expected %q", got, want)
	}
	if got, want := service.MaxFetchTime(), time.Second; got != want || first.MaxFetchTime() != 300*time.Millisecond {
		t.Errorf("got %s at the longest, expected %s", got, want)
	}
	if got := service.TraceHeaders(); !slices.Equal(got, []string{"traceparent"}) {
		t.Errorf("got the trace's headers %q", got)
	}
	c := callerOf(t, service, [][2]string{{":path", "/?scope=b"}, {"x-tenant", "t1"}, {"x-user", "u1"}, {"x-user", "u2"}})
	call, err := service.Call(c, []string{unsigned(`{"sub": "alice"}`)}, [][2]string{{"traceparent", "00"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	form, _ := url.ParseQuery(string(call.Body))
	if form.Get("scope") != "a b" || form.Get("who") != "alice" || form.Get("subject_token") == "" || headerOf(call.Headers, "traceparent") != "00" || headerOf(call.Headers, "x-user") != "" {
		t.Errorf("got the call %v with the form %v", call.Headers, form)
	}
	own := service.CallerOf(0, c)
	inner, err := first.Link(nil).Call(own, nil, nil, now)
	if err != nil || headerOf(inner.Headers, ":path") != "/t1" || len(slices.DeleteFunc(inner.Headers, func(h [2]string) bool { return h[0] != "x-user" })) != 2 {
		t.Errorf("got the named token's call %v, %v", inner.Headers, err)
	}
	if own.Values() == c.Values() || strings.Contains(own.Values(), "b") {
		t.Errorf("the named token depends on %q", own.Values())
	}
	missing := (*MissingError)(nil)
	if _, err := service.Call(c, []string{"opaque"}, nil, now); !errors.As(err, &missing) || missing.Origin.String() != "caller.claim.sub" {
		t.Errorf("got %v, expected that the claim is missing", err)
	}
	doubts := strings.Join(service.Warnings(), "\n")
	for _, want := range []string{"${request.query.scope} is set by the client", "${request.header.x-tenant} is set by the client"} {
		if !strings.Contains(doubts, want) {
			t.Errorf("got the doubts %q, expected %q", doubts, want)
		}
	}
}

// A secret's encoding does not matter: the signature is the same.
func TestEncodedSecrets(t *testing.T) {
	const claims = `"claims": {"iat": 1, "exp": 2, "jti": "a"}`
	bytes := []byte("\xfb\xff\xfe3456789abcdef0123456789abcde\x00")
	for encoding, secret := range map[string]string{
		"hex": hex.EncodeToString(bytes), "base64": base64.StdEncoding.EncodeToString(bytes), "base64 of URLs": base64.RawURLEncoding.EncodeToString(bytes),
	} {
		encoding, _, _ = strings.Cut(encoding, " ")
		service, s := readReferring(signedConfig(`"secret": "`+secret+`", "secretEncoding": "`+encoding+`", `+claims, ""), false)
		token, err := service.Sign(nil, nil, now)
		if s.Err() != nil || err != nil {
			t.Fatalf("%s: %v, %v", encoding, s.Err(), err)
		}
		code := hmac.New(sha256.New, bytes)
		signed, signature := token.Values[0][:strings.LastIndexByte(token.Values[0], '.')], token.Values[0][strings.LastIndexByte(token.Values[0], '.')+1:]
		code.Write([]byte(strings.TrimPrefix(signed, "Bearer ")))
		if want := base64.RawURLEncoding.EncodeToString(code.Sum(nil)); signature != want {
			t.Errorf("%s: got the signature %s, expected %s", encoding, signature, want)
		}
	}
}

// ${caller.token} is the token without its scheme, wherever it comes from, in every place that takes references.
func TestCallerTokens(t *testing.T) {
	const form = `"requestHeaders": {"Content-Type": "application/x-www-form-urlencoded", "X-T": "<${caller.token}>"}, "requestBody": "token=${caller.token}&hint=a"`
	const named = "n/a+med="
	for name, test := range map[string]struct{ config, body, header string }{
		"in a form":                  {extended(form), "token=op%2Faque%3D&hint=a", "<op/aque=>"},
		"in JSON":                    {extended(`"requestBody": "{\"jwt\": \"${caller.token}\"}"`), `{"jwt": "op/aque="}`, ""},
		"in params":                  {oauth2Config(`"clientId": "a", "clientSecret": "b", "grantType": "x", "params": {"token": "${caller.token}"}`, ""), "grant_type=x&token=op%2Faque%3D", ""},
		"next to the exchanged one":  {oauth2Config(exchange+`, "subjectTokenHeader": "X-User", "params": {"token": "${caller.token}"}`, ""), "subject_token=user&token=user", ""},
		"of a cookie":                {oauth2Config(exchange+`, "subjectToken": "${request.cookie.s}", "params": {"token": "${caller.token}"}`, ""), "subject_token=crumb&token=crumb", ""},
		"of a token that is fetched": {oauth2Config(exchange+`, "subjectToken": "${token.login}", "params": {"token": "${caller.token}"}`, ""), "subject_token=" + url.QueryEscape(named) + "&token=" + url.QueryEscape(named), ""},
	} {
		service, s := readReferring(test.config, false)
		if s.Err() != nil {
			t.Errorf("%s: %v", name, s.Err())
			continue
		}
		c := callerOf(t, service, [][2]string{{"authorization", "Bearer op/aque="}, {"x-user", "user"}, {"cookie", "s=crumb"}})
		call, err := service.Call(c, []string{named}, nil, now)
		if err != nil || !strings.Contains(string(call.Body), test.body) || headerOf(call.Headers, "x-t") != test.header {
			t.Errorf("%s: got %q with %v, %v; expected %q and %q", name, call.Body, call.Headers, err, test.body, test.header)
		}
		if warnings := service.Warnings(); len(warnings) > 0 {
			t.Errorf("%s: got the warnings %q, expected none: the token service verifies the token", name, warnings)
		}
	}
	service, _ := readReferring(extended(form), false)
	if c := callerOf(t, service, [][2]string{{"authorization", "Bearer " + jwt(fmt.Sprintf(`{"exp": %d}`, now.Add(-2*time.Minute).Unix()))}}); !c.HasExpired(now) {
		t.Error("a caller's JWT that has expired is sent, expected 401 without a call")
	}
}

// A claim that no call has verified is doubted, and one of a token that is exchanged is not.
func TestDoubtsAboutClaims(t *testing.T) {
	for config, want := range map[string]bool{
		extended(`"requestPath": "/${caller.claim.org}"`):                                                            true,
		oauth2Config(exchange+`, "params": {"org": "${caller.claim.org}"}`, ""):                                      false,
		oauth2Config(exchange+`, "subjectTokenHeader": "X-User", "params": {"org": "${caller.claim.org}"}`, ""):      false,
		oauth2Config(`"clientId": "a", "clientSecret": "b", "params": {"org": "${caller.claim.org}"}`, ""):           true,
		extended(`"requestBody": "[\"${caller.token}\"]", "requestHeaders": {"X-Org": "${caller.claim.org}"}`):       false,
		extended(`"requestHeaders": {"X-Proof": "${request.header.authorization}", "X-Org": "${caller.claim.org}"}`): false,
	} {
		config = strings.Replace(config, `"requestPath": "/token", `, "", strings.Count(config, `"requestPath"`)-1)
		service, s := readReferring(config, false)
		if got := strings.Contains(strings.Join(service.Warnings(), "\n"), "could forge the claim"); got != want {
			t.Errorf("%s: doubted: %v, %v; expected %v", config, got, s.Err(), want)
		}
	}
}

func unsigned(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// A signed token has the claims as they are, and lives as long as its exp says.
func TestSignedTokens(t *testing.T) {
	for name, test := range map[string]struct {
		claims, more string
		lifetime     time.Duration
	}{
		"none":         {`{}`, "", 300 * time.Second},
		"its own exp":  {`{"exp": 1795435260, "iat": 1, "jti": "a"}`, "", time.Minute},
		"capped":       {`{"iss": "a"}`, `, "cache": {"maxTtl": 20}`, 20 * time.Second},
		"over already": {`{"exp": 5}`, "", 0},
	} {
		service, s := readReferring(signedConfig(`"secret": "`+sharedSecret+`", "claims": `+test.claims, test.more), false)
		if s.Err() != nil || !service.IsSigned() || service.Address() != "jwt" {
			t.Fatalf("%s: got %v", name, s.Err())
		}
		token, err := service.Sign(nil, nil, now)
		if err != nil || token.Lifetime != test.lifetime || !strings.HasPrefix(token.Values[0], "Bearer ") {
			t.Errorf("%s: got %+v, %v; expected a lifetime of %s", name, token, err, test.lifetime)
		}
	}
}

// However often a configuration refers to a value, a call stays within bounds.
func TestManyReferencesToAValue(t *testing.T) {
	for count, want := range map[int]bool{64: true, 65: false} {
		service, s := readReferring(extended(`"requestBody": "[\"`+strings.Repeat("${request.header.X}", count)+`\"]"`), false)
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		c := callerOf(t, service, [][2]string{{"x", strings.Repeat("a", maxValueBytes)}})
		if _, err := service.Call(c, nil, nil, now); (err == nil) != want {
			t.Errorf("%d times: got %v", count, err)
		}
	}
}
