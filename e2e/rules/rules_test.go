// Package rules_test tests _rules_: which rule a request belongs to according to Envoy's route. What a rule inherits is
// tested in internal/config, and domains against Envoy's handling of hosts in e2e/hostile.
package rules_test

import (
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// rule is a rule whose matching requests get the token of a path.
func rule(path string, conditions map[string]any) map[string]any {
	return harness.Merge(map[string]any{"requestPath": path}, conditions)
}

// ruleTests have configurations, and what token the requests of each path come to the upstream with; they bring "own".
var ruleTests = map[string]struct {
	config map[string]any
	want   map[string]string
}{
	"with a global part": {
		harness.WithRules(harness.PlainConfig(nil),
			rule("/both", map[string]any{"_match_route_": []string{"none", "route-b"}, "_match_service_": []string{"upstream.dns"}}),
			rule("/other-service", map[string]any{"_match_route_": []string{"route-a"}, "_match_service_": []string{"upstream.dns"}}),
			rule("/other-port", map[string]any{"_match_service_": []string{"upstream-a.dns:81"}}),
			rule("/with-port", map[string]any{"_match_service_": []string{"upstream-a.dns:80"}}),
			rule("/never", map[string]any{"_match_route_prefix_": []string{"route-a"}})),
		map[string]string{"/a/x": "/with-port", "/b": "/both", "/c": "/token"},
	},
	"without a global part": {
		harness.WithRules(map[string]any{},
			harness.PlainConfig(map[string]any{"requestPath": "/for-b", "_match_route_": []string{"none", "route-b"}}),
			harness.PlainConfig(map[string]any{"requestPath": "/prefix", "_match_route_prefix_": []string{"route-"}})),
		map[string]string{"/a": "/prefix", "/b": "/for-b", "/c": "own"},
	},
	"exemption": {
		harness.WithRules(harness.PlainConfig(nil), map[string]any{"_match_route_": []string{"route-a"}, "enabled": false}),
		map[string]string{"/a": "own", "/b": "/token"},
	},
	"global part as defaults only": {
		harness.WithRules(map[string]any{"enabled": false, "serviceName": harness.TokenName, "timeout": 10_000, "tokenHeader": "X-Token"},
			map[string]any{"_match_route_": []string{"route-a"}, "requestPath": "/for-a"}),
		map[string]string{"/a": "/for-a", "/b": "own"},
	},
}

func TestRules(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil)})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Token", r.URL.Path) })
	for name, test := range ruleTests {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, test.config)
			for path, want := range test.want {
				t.Run(strings.Trim(path, "/"), func(t *testing.T) {
					gateway.Token.Forget()
					harness.CheckStatus(t, gateway.Get(t, path, "X-Token: own"), 200)
					gateway.Upstream.CheckHeader(t, "X-Token", want)
					if calls := len(gateway.Token.Calls()); want == "own" && calls != 0 {
						t.Errorf("the token service was called %d times", calls)
					}
				})
			}
		})
	}
}
