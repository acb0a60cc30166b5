package main

import (
	"testing"

	"github.com/higress-group/wasm-go/pkg/test"
)

// testNamesAreHiddenFromTheNextHop has what an upgrade and a request with trailers may say of headers; the requests bring
// them as x-other says too.
func testNamesAreHiddenFromTheNextHop(t *testing.T) {
	plain := extended(`"upstreamHeaders": {"X-User": "header:X-User"}, "failure": {"mode": "allow"}`)
	own := extended(`"overwrite": false, "upstreamHeaders": {"X-User": "header:X-User"}`)
	exchange := `{"serviceName": "as.dns", "requestPath": "/token", "tokenHeader": "X-Token", "oauth2": {"clientId": "id", "clientSecret": "s",
		"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "actorTokenHeader": "X-Actor"}}`
	tests := map[string]struct {
		config      string
		value, want string
		own         string // token of the client's
	}{
		"none":               {plain, "upgrade", "upgrade", ""},
		"the token's":        {plain, "upgrade, x-token", "upgrade", ""},
		"in any case":        {plain, "Upgrade,X-TOKEN,x-uSeR", "Upgrade", ""},
		"with blanks":        {plain, "\tx-token ,, upgrade\t, X-User", "upgrade", ""},
		"others stay":        {plain, "upgrade, x-user, x-other, x-token2", "upgrade, x-other, x-token2", ""},
		"nothing else":       {plain, "x-token", "", ""},
		"of the exchange":    {exchange, "authorization, x-actor, x-token, x-other", "x-other", ""},
		"the client's own":   {own, "x-token, x-user", "x-token", "t0"},
		"no own of the sort": {own, "x-token, x-user, x-other", "x-other", ""},
	}
	for name, c := range tests {
		for _, field := range namingFields {
			host := start(t, c.config)
			headers := request(field, c.value, "x-other", c.value, "authorization", "Bearer a", "x-actor", "Bearer b")
			if c.own != "" {
				headers = append(headers, [2]string{"x-token", c.own})
			}
			host.CallOnHttpRequestHeaders(headers)
			if got, _ := test.GetHeaderValue(host.GetRequestHeaders(), field); got != c.want {
				t.Errorf("%s: %s: got %q, expected %q", name, field, got, c.want)
			}
			if got, _ := test.GetHeaderValue(host.GetRequestHeaders(), "x-other"); got != c.value {
				t.Errorf("%s: another header: got %q, expected %q", name, got, c.value)
			}
			host.Reset()
		}
	}
}

// The cached path of a request without a body makes no call more.
func testNoNamesWithoutABody(t *testing.T) {
	host := start(t, sampleJSON)
	defer host.Reset()
	host.CallOnHttpRequestHeaders(request("connection", "x-token"), test.WithEndOfStream(true))
	if got, _ := test.GetHeaderValue(host.GetRequestHeaders(), "connection"); got != "x-token" {
		t.Errorf("got %q, expected it not to be read", got)
	}
}

// testBadAuthorityIsRefused: only with rules by domain, and whichever mode there is.
func testBadAuthorityIsRefused(t *testing.T) {
	for config, isRefused := range map[string]bool{
		withRules(`"_match_domain_": ["a.com"]`):                                                true,
		withRules(`"_match_service_": ["a.dns"]`, `"_match_domain_": ["*"], "enabled": false`):  true,
		extended(`"failure": {"mode": "allow"}, "_rules_": [{"_match_domain_": ["a.com:80"]}]`): true,
		withRules(`"_match_service_": ["a.dns"]`):                                               false,
		sampleJSON: false,
	} {
		host := start(t, config)
		host.Tick()
		before, _ := host.GetCounterMetric(metricPrefix + "authorities_refused")
		host.CallOnHttpRequestHeaders([][2]string{{":authority", "a.com:80:80"}, {":path", "/"}, {":method", "GET"}})
		host.Tick()
		after, _ := host.GetCounterMetric(metricPrefix + "authorities_refused")
		reply := host.GetLocalResponse()
		if got := reply != nil; got != isRefused {
			t.Errorf("%s: got refused %t, expected %t", config, got, isRefused)
		}
		if reply != nil && (reply.StatusCode != 400 || reply.StatusCodeDetail != "token_fetch.bad_authority") {
			t.Errorf("%s: got %d %q, expected 400 token_fetch.bad_authority", config, reply.StatusCode, reply.StatusCodeDetail)
		}
		if got := after-before == 1; got != isRefused {
			t.Errorf("%s: authorities_refused: got %d more", config, after-before)
		}
		host.Reset()
	}
}
