// Package rules_test is about _rules_: which rule a request belongs to, and what a rule inherits.
package rules_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// ruled is a request and what becomes of it. It brings "X-Token: own" and
// "X-Other: own" along.
type ruled struct {
	path, host string            // host may be empty
	upstream   map[string]string // headers that it reaches the upstream with; empty: must not be there
	status     int               // 0 means 200
	reply      map[string]string // headers of the answer, where status is another; empty: must not be there
}

var (
	leftAlone = map[string]string{"X-Token": "own", "X-Other": "own"}
	global    = map[string]string{"X-Token": "/token", "X-Other": "own"}
)

// rule is a rule whose matching requests get another token.
func rule(path string, conditions map[string]any) map[string]any {
	return harness.Merge(map[string]any{"requestPath": path}, conditions)
}

// ruleTests have configurations whose tokens are the paths of their calls.
var ruleTests = map[string]struct {
	config   map[string]any
	requests []ruled
}{
	"routes without a global part": {
		harness.WithRules(map[string]any{},
			harness.PlainConfig(map[string]any{"requestPath": "/for-a", "_match_route_": []string{"route-a"}}),
			harness.PlainConfig(map[string]any{"requestPath": "/for-b", "tokenHeader": "X-Other", "_match_route_": []string{"none", "route-b"}})),
		[]ruled{
			{path: "/a/x", upstream: map[string]string{"X-Token": "/for-a", "X-Other": "own"}},
			{path: "/b", upstream: map[string]string{"X-Token": "own", "X-Other": "/for-b"}},
			{path: "/c", upstream: leftAlone},
		},
	},
	"domains": {
		harness.WithRules(harness.PlainConfig(nil),
			rule("/exact", map[string]any{"_match_domain_": []string{"shop.example.com"}}),
			rule("/suffix", map[string]any{"_match_domain_": []string{"*.example.com", "*.example.org"}}),
			rule("/prefix", map[string]any{"_match_domain_": []string{"www.*"}})),
		[]ruled{
			{path: "/", host: "shop.example.com", upstream: map[string]string{"X-Token": "/exact"}},
			{path: "/", host: "shop.example.com:8080", upstream: map[string]string{"X-Token": "/exact"}},
			{path: "/", host: "SHOP.example.COM", upstream: map[string]string{"X-Token": "/exact"}},
			{path: "/", host: "a.b.example.org", upstream: map[string]string{"X-Token": "/suffix"}},
			{path: "/", host: "example.com", upstream: global},
			{path: "/", host: "shop.example.com.evil.net", upstream: global},
			{path: "/", host: "www.anything", upstream: map[string]string{"X-Token": "/prefix"}},
			{path: "/", host: "www.example.com", upstream: map[string]string{"X-Token": "/suffix"}}, // the first that matches
			{path: "/a", upstream: global},
		},
	},
	"services": {
		harness.WithRules(harness.PlainConfig(nil),
			rule("/with-port", map[string]any{"_match_service_": []string{"upstream-a.dns:80"}}),
			rule("/other-port", map[string]any{"_match_service_": []string{"upstream.dns:81"}}),
			rule("/name", map[string]any{"_match_service_": []string{"dns", "upstream.dns"}})),
		[]ruled{
			{path: "/a", upstream: map[string]string{"X-Token": "/with-port"}},
			{path: "/b", upstream: map[string]string{"X-Token": "/name"}},
		},
	},
	"route and service": {
		harness.WithRules(harness.PlainConfig(nil),
			rule("/both", map[string]any{"_match_route_": []string{"route-a", "route-b"}, "_match_service_": []string{"upstream.dns"}})),
		[]ruled{
			{path: "/a", upstream: global},
			{path: "/b", upstream: map[string]string{"X-Token": "/both"}},
			{path: "/c", upstream: global},
		},
	},
	"route prefix": {
		harness.WithRules(harness.PlainConfig(nil), rule("/prefix", map[string]any{"_match_route_prefix_": []string{"route-"}})),
		[]ruled{
			{path: "/a", upstream: map[string]string{"X-Token": "/prefix"}},
			{path: "/b", upstream: map[string]string{"X-Token": "/prefix"}},
			{path: "/c", upstream: global},
		},
	},
	"exemption": {
		harness.WithRules(harness.PlainConfig(nil),
			map[string]any{"_match_route_": []string{"route-a"}, "enabled": false},
			rule("/for-b", map[string]any{"_match_route_": []string{"route-b"}, "enabled": true})),
		[]ruled{
			{path: "/a", upstream: leftAlone},
			{path: "/b", upstream: map[string]string{"X-Token": "/for-b"}},
			{path: "/c", upstream: global},
		},
	},
	"global part as defaults only": {
		harness.WithRules(map[string]any{"enabled": false, "serviceName": harness.TokenName, "timeout": 10_000},
			map[string]any{"_match_route_": []string{"route-a"}, "requestPath": "/for-a", "tokenHeader": "X-Other"}),
		[]ruled{
			{path: "/a", upstream: map[string]string{"X-Token": "own", "X-Other": "/for-a"}},
			{path: "/b", upstream: leftAlone},
		},
	},
	"inheritance": {
		harness.WithRules(harness.PlainConfig(map[string]any{
			"tokenPrefix":     "Token ",
			"requestHeaders":  map[string]any{"X-First": "one", "X-Second": "two"},
			"upstreamHeaders": map[string]any{"X-Other": "header:X-First"},
			"failure":         map[string]any{"status": 503, "body": "sorry", "contentType": "text/html"},
		}),
			map[string]any{
				"_match_route_":   []string{"route-a"},
				"tokenPrefix":     nil,
				"requestHeaders":  map[string]any{"X-First": nil, "X-Second": "2", "X-Third": "3"},
				"upstreamHeaders": map[string]any{"X-More": "header:X-Third"},
			},
			map[string]any{
				"_match_route_":   []string{"route-b"},
				"serviceName":     harness.EmptyName,
				"upstreamHeaders": nil,
				"failure":         map[string]any{"body": "no token"},
			}),
		[]ruled{
			{path: "/a", upstream: map[string]string{"X-Token": "/token", "X-Other": "", "X-More": "3"}},
			{path: "/b", status: 503},
			{path: "/c", upstream: map[string]string{"X-Token": "Token /token", "X-Other": "one"}},
		},
	},
	"headers of replies": {
		harness.WithRules(harness.PlainConfig(map[string]any{"serviceName": harness.EmptyName, "failure": map[string]any{
			"status": 503, "headers": map[string]any{"X-A": "global", "X-B": "global"}}}),
			map[string]any{"_match_route_": []string{"route-a"}, "failure": map[string]any{"headers": map[string]any{"x-a": "rule", "X-B": nil}}},
			map[string]any{"_match_route_": []string{"route-b"}, "failure": map[string]any{"headers": nil}}),
		[]ruled{
			{path: "/a", status: 503, reply: map[string]string{"X-A": "rule", "X-B": ""}},
			{path: "/b", status: 503, reply: map[string]string{"X-A": "", "X-B": ""}},
			{path: "/c", status: 503, reply: map[string]string{"X-A": "global", "X-B": "global"}},
		},
	},
	"cache taken away": {
		harness.WithRules(harness.PlainConfig(map[string]any{"cache": map[string]any{}}),
			// Without a cache an answer without a token lets the request pass.
			map[string]any{"_match_route_": []string{"route-a"}, "cache": nil, "responseHeader": "X-None"},
			map[string]any{"_match_route_": []string{"route-b"}, "responseHeader": "X-None"}),
		[]ruled{
			{path: "/a", upstream: map[string]string{"X-Token": "", "X-Other": "own"}},
			{path: "/b", status: 500},
			{path: "/c", upstream: global},
		},
	},
}

func TestRules(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil)})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", r.URL.Path)
		w.Header().Set("X-Other", r.URL.Path)
		for _, name := range []string{"X-First", "X-Second", "X-Third"} {
			w.Header().Set(name, r.Header.Get(name))
		}
	})
	for name, test := range ruleTests {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, test.config)
			for _, request := range test.requests {
				t.Run(strings.Trim(request.host+request.path, "/"), func(t *testing.T) { checkRuled(t, gateway, request) })
			}
		})
	}
}

func checkRuled(t *testing.T, gateway *harness.Gateway, request ruled) {
	gateway.Token.Forget()
	headers := []string{"X-Token: own", "X-Other: own"}
	if request.host != "" {
		headers = append(headers, "Host: "+request.host)
	}
	answer := gateway.Get(t, request.path, headers...)
	if request.status != 0 {
		harness.CheckStatus(t, answer, request.status)
		for name, want := range request.reply {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("answered with %s %q, want %q", name, got, want)
			}
		}
		return
	}
	harness.CheckStatus(t, answer, 200)
	for name, want := range request.upstream {
		var values []string
		if want != "" {
			values = []string{want}
		}
		gateway.Upstream.CheckHeader(t, name, values...)
	}
	isLeftAlone := slices.Equal([]string{request.upstream["X-Token"], request.upstream["X-Other"]}, []string{"own", "own"})
	if calls := len(gateway.Token.Calls()); isLeftAlone && calls != 0 {
		t.Errorf("the token service was called %d times", calls)
	}
}
