package config

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"token-fetch/internal/fuzzing"
	"token-fetch/internal/schema"
	"token-fetch/internal/tokenservice"
)

// mark stands for each secret in a configuration; nothing that a fuzzer makes up looks like it.
const mark = "s3cr3t-of-the-operator"

// marked is an environment in which every variable is a secret.
func marked(string) (string, bool) { return mark, true }

func addConfigurations(add func(text string)) {
	for _, seed := range []string{
		sampleJSON, ``, `{}`, `[`, `null`, `{"a":1,"a":2}`, "{\n\t\"a\": \x00}", `{"successWhen":[{}]}`, `{"oauth2": "x"}`, `{"_rules_": null}`, `{"_rules_": [null]}`,
		extended(`"cache": {}, "oauth2": {"clientId": "a", "clientSecret": "b"}`),
		extended(`"oauth2": {"clientId": "a", "clientSecret": "b", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}`),
		extended(`"oauth2": {"clientId": "a", "clientSecret": "b", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "actorTokenHeader": "x-actor", "keepSubjectToken": true, "requestedTokenType": "urn:a"}`),
		`{"serviceName": "a", "requestPath": "/", "tokenHeader": "${A}", "oauth2": {"clientId": "a", "clientSecret": "b", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "subjectTokenHeader": "${A}", "keepSubjectToken": true}}`,
		extended(`"overwrite": false, "oauth2": {"clientId": "a", "clientSecret": "b", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "subjectTokenHeader": "X-Token", "params": {"assertion": "c"}}`),
		extended(`"oauth2": {"clientId": "a", "clientSecret": 5, "params": {"username": "a", "password": null}, "grantType": "password"}`),
		extended(`"_rules_": [{"_match_route_": ["a"], "requestHeaders": {"a": "${NAME}"}}, {"_match_domain_": "*.a", "cache": null}]`),
		extended(`"requestBody": "${secret.namespace/name.key} $${A} ${A"`), extended(`"requestPath": "/a?key=${KEY}#"`), extended(`"requestHeaders": {"A": "b\n"}`),
		extended(`"upstreamHeaders": {"X-User": "body:user", "Host": "header:a"}, "successWhen": [{"path": "code", "equals": ["0", 1, true]}]`),
		extended(`"failure": {"mode": "deny", "status": 599.5, "body": "${BODY}", "contentType": "a\u0000"}`),
		extended(`"failure": {"headers": {"Retry-After": "5", "content-type": "a", "X-Long": "` + strings.Repeat("a", 9000) + `"}}`),
		extended(`"cache": {"warmUp": true, "expiresAtPath": "a.b", "ignoreCacheControl": true}`), `{"serviceCluster": "a/b", "serviceHost": "a", "requestPath": "/", "tokenHeader": "T"}`,
		extended(`"cache": {"ttl": 1e300, "maxEntries": -0, "invalidateOn": [401, 1e2], "refreshBefore": 9007199254740993}`),
		`{"` + strings.Repeat("tokenHeadr", 500) + `": 1}`, "{\"\xc8\": 1}", `{"a\nb\u001b[2J": 1}`,
		`{"` + strings.Repeat("a", 5000) + `": 1, "` + strings.Repeat("a", 5000) + `": 1}`,
		extended(`"requestHeaders": {"A\n` + strings.Repeat("b", 5000) + `": 1}`), extended(`"requestBody": "${` + strings.Repeat("A", 5000) + `}"`),
		extended(`"tokenPath": "\u2028\ud800", "timeout": ` + strings.Repeat("1", 5000)),
		extended(refersTo + row("a", "b", "c", "d") + `, "_rules_": [{"_match_route_": ["a"], "tokens": {"b": null}}, {"_match_route_": ["b"], "tokens": null}, {"_match_route_": ["c"], "jwt": {"secret": "0123456789abcdef0123456789abcdef"}}]`),
		extended(`"tokens": {` + named("a", "${token.b}") + `, ` + named("b", "${token.a}") + `}, "challenge": {"realm": "a", "scope": "b", "resourceMetadata": "https://a"}`),
		extended(`"requestPath": "/${request.path}/${request.query.a b}?h=${request.host}", "requestBody": "{\"a\": \"${caller.claim.a\\\\.b}${ENV}\"}", "traceHeaders": ["traceparent"], "successStatus": [201]`),
		`{"tokenHeader": "X", "jwt": {"secret": "${SECRET}", "keyId": "a", "claims": {"sub": "${caller.claim.sub}", "a": [{"b": "${NAME}"}], "exp": 1}, "header": {"x": "y"}}}`,
		`{"serviceName": "a", "requestPath": "/", "tokens": {"a": {"serviceName": "a", "requestPath": "/", "oauth2": {"clientId": "a", "clientSecret": "b", "params": {"a": "${request.cookie.c}"}}}}, "oauth2": {"authStyle": "client_assertion",
			"clientAssertion": "${token.a}", "grantType": "` + exchangeGrant + `", "subjectToken": "${request.cookie.s}", "actorToken": "${token.a}", "allowMissing": true}}`,
		`{"serviceName": "a", "requestPath": "/", "oauth2": {"authStyle": "none", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "eyJ", "scopes": ["${request.header.a}"], "audience": "${request.method}"}}`,
	} {
		add(seed)
	}
}

// A configuration is taken, or there is one line that says why not. What is taken is fit for use.
func FuzzParse(f *testing.F) {
	addConfigurations(func(text string) { f.Add([]byte(text)) })
	f.Fuzz(func(t *testing.T, data []byte) {
		var parsed *Config
		var err error
		fuzzing.InTime(t, len(data), func() { parsed, err = Parse(data, environment, Features{}) })
		if err == nil && parsed == nil {
			t.Fatalf("got %v and %v", parsed, err)
		}
		if err != nil {
			checkErrorLine(t, err.Error())
			return
		}
		if depth, valid := fuzzing.Depth(data); !valid || depth > schema.MaxDepth {
			t.Errorf("taken, but it is not JSON, or nests %d deep", depth)
		}
		parts := []*Part{parsed.Global}
		for _, rule := range parsed.Rules {
			parts = append(parts, rule.Part)
		}
		for _, s := range parts {
			checkPart(t, s)
			if s != nil {
				s.Each(func(_ string, of *TokenConfig) {
					if len(of.Named) != len(of.Service.Links()) {
						t.Errorf("%d named tokens for %v", len(of.Named), of.Service.Links())
					}
				})
			}
		}
		checkErrorLine(t, strings.Join(parsed.Warnings, "; "))
	})
}

// checkErrorLine: a gateway's log shows it, a Kubernetes status too.
func checkErrorLine(t *testing.T, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\n\r\x00\x1b") || !utf8.ValidString(text) {
		t.Errorf("the error is not a line of text: %q", text)
	}
	if len(text) > 1000*schema.MaxErrors {
		t.Errorf("the error has %d bytes, expected at most 1000 each", len(text))
	}
}

func checkPart(t *testing.T, s *Part) {
	t.Helper()
	if s == nil || !s.Enabled {
		return
	}
	for _, name := range s.Service.Protected {
		if !tokenservice.IsSettableHeader(name) {
			t.Errorf("header %q would be set", name)
		}
	}
	for _, name := range slices.Concat(s.Service.Removed, s.Service.CallerHeaders()) {
		if slices.Contains([]string{":authority", ":path", ":method"}, name) {
			continue // which references may be to
		}
		if !tokenservice.IsSettableHeader(name) || name != strings.ToLower(name) {
			t.Errorf("header %q would be read or removed", name)
		}
	}
	for _, header := range callHeaders(t, s) {
		if !tokenservice.IsHeaderValue(header[1]) {
			t.Errorf("the call has the header %q: %q", header[0], header[1])
		}
	}
	if s.Failure.Status < 400 || s.Failure.Status > 599 {
		t.Errorf("the reply of a failure is %d", s.Failure.Status)
	}
	size := 0
	for i, header := range s.Failure.Headers {
		size += len(header[0]) + len(header[1])
		if !tokenservice.IsSettableHeader(header[0]) || !tokenservice.IsHeaderValue(header[1]) || i > 0 && header[0] == "content-type" {
			t.Errorf("the reply of a failure has the header %q: %q", header[0], header[1])
		}
	}
	if own := len(s.Failure.Headers) - 1; own > maxReplyHeaders || own > 0 && size-len("content-type")-len(s.Failure.Headers[0][1]) > maxReplyHeaderBytes {
		t.Errorf("the reply of a failure has %d headers of %d bytes", own, size)
	}
	if s.Cache != nil && (s.Cache.Backoff <= 0 || s.Cache.MaxEntries <= 0 || s.Cache.MaxWaiting <= 0) {
		t.Errorf("the cache is %+v", *s.Cache)
	}
}

// No error or warning shows what stands where secrets stand, or in a variable.
func FuzzSecrets(f *testing.F) {
	addConfigurations(func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text string) {
		var written any
		if json.Unmarshal([]byte(text), &written) != nil {
			// What is not JSON may have the secret anywhere.
			parsed, err := Parse([]byte(text+mark), marked, Features{Redis: true})
			checkHidden(t, parsed, err)
			return
		}
		withSecrets, err := json.Marshal(hideSecrets(Root, written))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(withSecrets, marked, Features{Redis: true})
		checkHidden(t, parsed, err)
	})
}

func checkHidden(t *testing.T, parsed *Config, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), mark) {
		t.Errorf("the error shows a secret: %v", err)
	}
	if parsed == nil {
		return
	}
	for _, warning := range parsed.Warnings {
		if strings.Contains(warning, mark) {
			t.Errorf("a warning shows a secret: %s", warning)
		}
	}
}

// hideSecrets replaces what a configuration has at its secret keys by the mark, in the form that
// it was in, and goes on into objects and rules.
func hideSecrets(spec *schema.Key, written any) any {
	switch value := written.(type) {
	case []any:
		for i := range value {
			value[i] = hideSecrets(spec, value[i])
		}
	case map[string]any:
		for name, member := range value {
			if spec.Kind == schema.ObjectMap {
				object := &schema.Key{Kind: schema.Object, Keys: spec.Keys}
				value[name] = hideSecrets(object, member)
				continue
			}
			for _, known := range spec.Keys {
				_, isObject := member.(map[string]any)
				if known.Name == name && known.Secret && (known.Kind != schema.Object || !isObject) {
					value[name] = allMarked(member)
				} else if known.Name == name {
					value[name] = hideSecrets(known, member)
				}
			}
			if name == "_rules_" {
				value[name] = hideSecrets(spec, member)
			}
		}
	}
	return written
}

func allMarked(written any) any {
	switch value := written.(type) {
	case string:
		return value + mark
	case []any:
		for i := range value {
			value[i] = allMarked(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = allMarked(value[name])
		}
	}
	return written
}
