package requests_test

import (
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// As Envoy Gateway names clusters.
const ownCluster = "httproute/auth/token-server/rule/0"

// TestServiceCluster names the token service by its cluster: in the global part, in a rule above a global name, and
// where there is no such cluster.
func TestServiceCluster(t *testing.T) {
	t.Parallel()
	byCluster := func(cluster string, more map[string]any) map[string]any {
		return harness.Merge(map[string]any{
			"serviceCluster": cluster, "serviceHost": "token.example.com", "requestPath": "/token", "tokenHeader": "X-Token", "timeout": 10_000,
		}, more)
	}
	token := harness.NewTokenService(t)
	gateway := harness.Start(t, harness.Options{
		Token:    token,
		Services: []harness.Service{{Cluster: ownCluster, Address: strings.TrimPrefix(token.URL(), "http://")}},
		Config:   byCluster(ownCluster, nil),
	})

	t.Run("global part", func(t *testing.T) {
		harness.CheckStatus(t, gateway.Get(t, "/", "X-Token: forged"), http.StatusOK)
		gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
		if calls := token.Calls(); len(calls) != 1 || calls[0].Host != "token.example.com" || calls[0].URI != "/token" {
			t.Errorf("the token service received %+v, want one call of token.example.com/token", calls)
		}
	})
	t.Run("log line", func(t *testing.T) {
		token.Handle(harness.Status(http.StatusInternalServerError))
		harness.CheckStatus(t, gateway.Get(t, "/"), http.StatusInternalServerError)
		gateway.WaitLog(t, "token service "+ownCluster+" answered 500")
	})
	t.Run("rules", func(t *testing.T) {
		token.Handle(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Token", r.Host) })
		gateway.Update(t, harness.WithRules(harness.PlainConfig(nil),
			map[string]any{"_match_route_": []string{"route-a"}, "serviceCluster": ownCluster, "serviceHost": "of-a"},
			map[string]any{"_match_route_": []string{"route-b"}, "serviceName": nil, "servicePort": nil, "serviceCluster": ownCluster, "serviceHost": "of-b"}))
		for path, host := range map[string]string{"/a": "of-a", "/b": "of-b", "/c": harness.TokenName} {
			harness.CheckStatus(t, gateway.Get(t, path), http.StatusOK)
			gateway.Upstream.CheckHeader(t, "X-Token", host)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		gateway.Update(t, byCluster("unknown", map[string]any{"failure": map[string]any{"status": 503}}))
		harness.CheckStatus(t, gateway.Get(t, "/"), http.StatusServiceUnavailable)
		gateway.WaitLog(t, "token service unknown is unknown to the gateway, which has no cluster unknown")
	})
	t.Run("beside a name", func(t *testing.T) {
		gateway.CheckRefuses(t, byCluster(ownCluster, map[string]any{"serviceName": harness.TokenName}),
			`invalid serviceCluster in config: "`+ownCluster+`" (want either serviceCluster, or serviceName and servicePort)`)
	})
}
