package rules_test

import (
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// TestRouteAfterTheToken has two routes that match on the token header. Stock Envoy selects the route again after the plugin
// has set it, as for every Wasm plugin of this ABI, and can't be told not to: the rule is the first route's, the
// upstream the second's. If a newer Envoy keeps the route, update docs/operations.md.
func TestRouteAfterTheToken(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{WasmLog: "trace", Config: harness.WithRules(harness.PlainConfig(map[string]any{"cache": map[string]any{}}),
		map[string]any{"_match_route_": []string{"chosen"}, "requestPath": "/for-chosen"},
		map[string]any{"_match_route_": []string{"chosen-by-token"}, "requestPath": "/for-chosen-by-token"})})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Token", "token"+r.URL.Path) })
	for range 2 { // by a call, and by the cache
		answer := gateway.Get(t, "/chosen")
		if answer.Status != http.StatusOK || answer.Body != "by token" {
			t.Errorf("answered %d %q, want 200 by the route that the token header chooses", answer.Status, answer.Body)
		}
	}
	if strings.Contains(gateway.Log(), "env.proxy_set_property") {
		t.Error("a property was set of which this host makes nothing")
	}
	if calls := gateway.Token.Calls(); len(calls) != 1 || calls[0].URI != "/for-chosen" {
		t.Errorf("the token calls are %+v, want one by the rule of the request's first route", calls)
	}
}
