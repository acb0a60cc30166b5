// Package upstreamfilter tests the plugin as an upstream filter, which runs for each attempt of a request, so
// that Envoy's retry gets a new token after the upstream has rejected one.
package upstreamfilter

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"token-fetch/e2e/harness"
)

// revocationCases are two protocols with three bodies each.
const revocationCases = 6

// hosts are the configurations of the tests, by the host of their requests. Each calls the path that its host names.
func hosts() harness.Config {
	configs := harness.CachedConfigs(append(harness.Numbered("revoked", revocationCases),
		"revoked", "volley", "always", "streamed", "busy", "leaving", "left", "hedged", "load", "refused", "hanging", "callers", "final"), harness.Config{})
	configs["refused"]["failure"] = map[string]any{"status": 503, "body": "no token"}
	configs["hanging"]["timeout"] = 300
	configs["callers"]["forwardHeaders"] = []string{"X-User"}
	configs["final.example.com"] = configs["final"]
	byCookie := harness.Config{"tokenHeader": "X-Other", "responseHeader": "X-Token", "requestHeaders": map[string]string{"X-Credential": "secret"}, "oauth2": map[string]any{
		"clientId": "gateway", "clientSecret": "secret", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "subjectToken": "${request.cookie.session}",
	}}
	for host, more := range map[string]harness.Config{
		"exchanged": {"oauth2": map[string]any{"clientId": "gateway", "clientSecret": "secret", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}},
		"removed":   byCookie,
		"long":      byCookie,
		"tenants":   {"requestHeaders": map[string]string{"X-Tenant": "${caller.claim.tenant}"}, "tokenHeader": "Authorization", "tokenPrefix": "Bearer "},
		"absent":    {"overwrite": false, "requestHeaders": map[string]string{}},
		"own":       {"overwrite": false, "requestHeaders": map[string]string{}},
	} {
		config := harness.CachedConfigs([]string{host}, harness.Config{})[host]
		if more["oauth2"] != nil {
			more = harness.Merge(harness.Config{"tokenHeader": "Authorization", "tokenIn": "header"}, more)
		}
		configs[host] = harness.Merge(harness.Merge(config, harness.Config{"responseHeader": "X-Token"}), more)
	}
	return harness.ByHost(configs)
}

// retries are virtual hosts whose requests Envoy sends again when the upstream says 401.
func retries() []any {
	route := func(more map[string]any) []any {
		action := harness.Merge(map[string]any{"cluster": "outbound|80||upstream.dns", "timeout": "0s"}, more)
		return []any{map[string]any{"name": "default", "match": map[string]any{"prefix": "/"}, "route": action}}
	}
	policy := func(more map[string]any) map[string]any {
		return harness.Merge(map[string]any{"retry_on": "retriable-status-codes", "retriable_status_codes": []int{401}, "num_retries": 1}, more)
	}
	return []any{
		map[string]any{"name": "gateway", "domains": []string{"*"}, "retry_policy": policy(nil), "routes": route(nil)},
		map[string]any{"name": "busy", "domains": []string{"busy"}, "retry_policy": policy(map[string]any{"retriable_status_codes": []int{503}}), "routes": route(nil)},
		map[string]any{"name": "streamed", "domains": []string{"streamed"}, "retry_policy": policy(nil), "routes": route(nil), "request_body_buffer_limit": 64 << 10},
		map[string]any{"name": "rewritten", "domains": []string{"first.example.com"}, "retry_policy": policy(nil), "routes": route(map[string]any{"host_rewrite_literal": "final.example.com"})},
		map[string]any{
			"name": "hedged", "domains": []string{"hedged"}, "routes": route(map[string]any{"hedge_policy": map[string]any{"hedge_on_per_try_timeout": true}}),
			"retry_policy": policy(map[string]any{"per_try_timeout": "0.3s", "retry_on": "retriable-status-codes,5xx"}),
		},
	}
}

// start runs a gateway whose upstream answers as it says.
func start(t *testing.T, place harness.Place, upstream func(r *http.Request) int) *harness.Gateway {
	t.Helper()
	gateway := harness.Start(t, harness.Options{Config: hosts(), Place: place, VirtualHosts: retries(), Details: true})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	gateway.Upstream.Respond(upstream)
	return gateway
}

// revocations is an upstream that rejects revoked tokens.
type revocations struct{ tokens sync.Map }

func (v *revocations) status(r *http.Request) int {
	if _, isRevoked := v.tokens.Load(r.Header.Get("X-Token")); isRevoked {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

func (v *revocations) revoke(token string) { v.tokens.Store(token, true) }

// attempts is an upstream for all that a retry does and does not mend.
type attempts struct {
	revocations
	busy, hedged atomic.Int32
	rejected     sync.Map      // hosts whose first attempt was answered 401
	release      chan struct{} // of the first attempt for hedged
}

func (u *attempts) status(r *http.Request) int {
	switch r.Host {
	case "always", "streamed", "leaving":
		return http.StatusUnauthorized
	case "exchanged", "removed", "long", "tenants", "absent", "own":
		if _, isLater := u.rejected.LoadOrStore(r.Host, true); !isLater {
			return http.StatusUnauthorized
		}
	case "busy":
		if u.busy.Add(1) == 2 {
			return http.StatusServiceUnavailable
		}
	case "hedged":
		if u.hedged.Add(1) == 1 {
			<-u.release
		}
	}
	return u.revocations.status(r)
}
