package main

import (
	"strings"
	"testing"
)

// Without tokenPrefix the upstream gets "Bearer t1", with an empty one "t1": that is not the same token.
func TestEmptyPrefixIsNoMissingPrefix(t *testing.T) {
	with := func(more string) *part {
		return mustParse(t, `{"serviceName": "token.dns", "requestPath": "/token", `+more+
			`"oauth2": {"clientId": "id", "clientSecret": "s"}}`).global
	}
	missing, empty := with(""), with(`"tokenPrefix": "", `)
	if missing.identity == empty.identity {
		t.Error("the workers and the next configuration share the token of both")
	}
	if missing.cacheIdentity() == empty.cacheIdentity() {
		t.Error("two rules share the cache of both")
	}
}

// A header that is named twice in a map is an error, as a key that is named twice is.
func TestHeaderNamedTwice(t *testing.T) {
	for name, more := range map[string]string{
		"same name":  `"requestHeaders": {"A": "1", "A": "2"}`,
		"other case": `"upstreamHeaders": {"X-User": "header:a", "x-user": "body:b"}`,
	} {
		if _, err := parseConfig([]byte(extended(more)), func(string) (string, bool) { return "", false }); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// Credentials that stand in an address by mistake are not shown.
func TestErrorsShowNoCredentials(t *testing.T) {
	for _, config := range []string{
		`{"serviceName": "user:s3cr3t@token.dns", "requestPath": "/token", "tokenHeader": "X-Token"}`,
		`{"serviceName": "token.dns", "serviceHost": "user:s3cr3t@token.example.com", "requestPath": "/token", "tokenHeader": "X-Token"}`,
		`{"serviceName": "token.dns", "requestPath": "https://user:s3cr3t@token.example.com/", "tokenHeader": "X-Token"}`,
	} {
		_, err := parseConfig([]byte(config), func(string) (string, bool) { return "", false })
		if err == nil {
			t.Errorf("%s: got no error", config)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("got %q, expected no secret in it", err)
		}
	}
}
