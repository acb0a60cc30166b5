// Package rules_test is about _rules_: which rule a request belongs to by what Envoy says of its route. What a rule inherits
// is tested in internal/config, domains against all that Envoy does with hosts in e2e/hostile.
package rules_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// ruled is a request and what becomes of it. It brings "X-Token: own" and
// "X-Other: own" along.
type ruled struct {
	path     string
	upstream map[string]string // headers that it reaches the upstream with
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
}

func TestRules(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil)})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", r.URL.Path)
		w.Header().Set("X-Other", r.URL.Path)
	})
	for name, test := range ruleTests {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, test.config)
			for _, request := range test.requests {
				t.Run(strings.Trim(request.path, "/"), func(t *testing.T) { checkRuled(t, gateway, request) })
			}
		})
	}
}

func checkRuled(t *testing.T, gateway *harness.Gateway, request ruled) {
	gateway.Token.Forget()
	harness.CheckStatus(t, gateway.Get(t, request.path, "X-Token: own", "X-Other: own"), 200)
	for name, want := range request.upstream {
		gateway.Upstream.CheckHeader(t, name, want)
	}
	isLeftAlone := maps.Equal(request.upstream, leftAlone)
	if calls := len(gateway.Token.Calls()); isLeftAlone && calls != 0 {
		t.Errorf("the token service was called %d times", calls)
	}
}
