package upstreamfilter

import (
	"encoding/json"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// The plugin may be a filter of the cluster that its own calls go to. They pass, instead of waiting for themselves.
func TestTokenServiceInTheSameCluster(t *testing.T) {
	const name = "upstream.dns"
	service := harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("X-Token", "issued")
			return
		}
		_ = json.NewEncoder(w).Encode(r.Header)
	})
	for _, test := range []struct {
		name string
		more harness.Config
	}{
		{"cached", harness.Config{"cache": harness.Config{}}},
		{"uncached", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := harness.Merge(harness.PlainConfig(test.more), harness.Config{"serviceName": name})
			gateway := harness.Start(t, harness.Options{Config: config, Place: harness.InCluster, Services: []harness.Service{service.Service(name)}})
			for range 3 {
				gateway.Ask(t, "any", "X-Token: forged").CheckToken(t, "issued")
			}
		})
	}
}
