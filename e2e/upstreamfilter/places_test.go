package upstreamfilter

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// The plugin can be in both chains of one gateway: the request's token is the attempt's.
func TestBothChains(t *testing.T) {
	t.Parallel()
	upstream := &revocations{}
	gateway := start(t, harness.InBothChains, upstream.status)
	old := harness.IssuedToken("revoked", 1)
	gateway.Ask(t, "revoked", "X-Token: forged").CheckToken(t, old)
	gateway.Token.CheckCallsOf(t, "revoked", 1)
	upstream.revoke(old)
	gateway.Ask(t, "revoked", "X-Token: forged").CheckToken(t, harness.IssuedToken("revoked", 2))
	gateway.Token.CheckCallsOf(t, "revoked", 2)
}

// A 401 that another filter gives says nothing of the token.
func TestUnauthorizedByAnotherFilter(t *testing.T) {
	t.Parallel()
	abort := map[string]any{
		"name": "envoy.filters.http.fault",
		"typed_config": map[string]any{
			"@type":   "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
			"abort":   map[string]any{"http_status": 401, "percentage": map[string]any{"numerator": 100}},
			"headers": []any{map[string]any{"name": "x-abort", "present_match": true}},
		},
	}
	gateway := harness.Start(t, harness.Options{
		Config: hosts(), Place: harness.InBothChains, VirtualHosts: retries(), Filters: []any{abort},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	token := harness.IssuedToken("revoked", 1)
	gateway.Ask(t, "revoked").CheckToken(t, token)
	if got := gateway.Ask(t, "revoked", "X-Abort: yes"); got.Status != http.StatusUnauthorized {
		t.Fatalf("got %d, expected the other filter's 401", got.Status)
	}
	gateway.Ask(t, "revoked").CheckToken(t, token)
	gateway.Token.CheckCallsOf(t, "revoked", 1)
}

// What an upstream does that is not the harness' own.
func startBefore(t *testing.T, handler http.HandlerFunc, policy, action map[string]any, cache harness.Config) *harness.Gateway {
	t.Helper()
	route := map[string]any{"cluster": "outbound|80||upstream.dns", "timeout": "0s", "retry_policy": policy}
	maps.Copy(route, action)
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(harness.CachedConfigs([]string{"first", "second"}, cache)), Place: harness.InRouter,
		VirtualHosts: []any{map[string]any{
			"name": "gateway", "domains": []string{"*"},
			"routes": []any{map[string]any{"name": "default", "match": map[string]any{"prefix": "/"}, "route": route}},
		}},
		Services: []harness.Service{{Name: "upstream.dns", Address: harness.Serve(t, handler).Address, HTTP2: true}},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	return gateway
}

// gRPC's status is in the headers of an answer that has nothing else, where Envoy can retry on it.
func TestGRPC(t *testing.T) {
	t.Parallel()
	upstream := &revocations{}
	retry := map[string]any{
		"retry_on": "retriable-headers", "num_retries": 1,
		"retriable_headers": []any{map[string]any{"name": "grpc-status", "string_match": map[string]any{"exact": "16"}}},
	}
	gateway := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("X-Received", r.Header.Get("X-Token"))
		w.Header().Set("Grpc-Status", "0")
		if upstream.status(r) == http.StatusUnauthorized {
			w.Header().Set("Grpc-Status", "16")
		}
	}, retry, nil, harness.Config{"invalidateWhen": []any{map[string]any{"grpcStatus": []int{16}}}})
	received := func() string {
		answer := gateway.AskBy(t, gateway.HTTP2Client(), "first", "Content-Type: application/grpc", "X-Token: forged")
		if status := answer.Header.Get("Grpc-Status"); status != "0" {
			t.Errorf("got gRPC's status %q (%v), expected 0", status, answer.Err)
		}
		return answer.Header.Get("X-Received")
	}
	old := harness.IssuedToken("first", 1)
	if got := received(); got != old {
		t.Errorf("got the token %q, expected %q", got, old)
	}
	upstream.revoke(old)
	if got, want := received(), harness.IssuedToken("first", 2); got != want {
		t.Errorf("got the token %q, expected %q", got, want)
	}
	gateway.Token.CheckCallsOf(t, "first", 2)
}

// A request that Envoy redirects itself gets the token of the rule of its second host.
func TestInternalRedirect(t *testing.T) {
	t.Parallel()
	action := map[string]any{"internal_redirect_policy": map[string]any{"max_internal_redirects": 1}}
	gateway := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "first" {
			w.Header().Set("Location", "http://second/next")
			w.WriteHeader(http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(r.Header)
	}, nil, action, harness.Config{})
	gateway.Ask(t, "first", "X-Token: forged").CheckToken(t, harness.IssuedToken("second", 1))
	gateway.Token.CheckCallsOf(t, "first", 1)
	gateway.Token.CheckCallsOf(t, "second", 1)
}

// A VM that dies in an attempt fails it closed, and is made anew.
func TestTrapInAnAttempt(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{
		Config: hosts(), Place: harness.InRouter, VirtualHosts: retries(), FailReload: true,
		Wasm: harness.WasmWithFaults(t), Env: map[string]string{"FAULT": "answer-trap"}, StreamIdle: time.Second,
	})
	for range 3 {
		if got := gateway.Ask(t, "revoked", "X-Token: forged"); got.Status < http.StatusInternalServerError {
			t.Errorf("got %d, expected an error: the VM has died", got.Status)
		}
	}
	gateway.Upstream.CheckNotReached(t)
}

// A token that is revoked under load costs no client an answer other than 200.
func TestTokenRevokedUnderLoad(t *testing.T) {
	const rate = 500
	duration := 10 * time.Second
	upstream := &revocations{}
	gateway := start(t, harness.InRouter, upstream.status)
	old := harness.IssuedToken("load", 1)
	gateway.Ask(t, "load").CheckToken(t, old)
	time.AfterFunc(duration/2, func() { upstream.revoke(old) })
	results := harness.Load(rate, duration, func(int) harness.Result { return gateway.AskBy(t, gateway.HTTP2Client(), "load") })
	retried, slowest := 0, time.Duration(0)
	for _, result := range results {
		slowest = max(slowest, result.Took())
		if result.Err != nil || result.Status != http.StatusOK {
			t.Fatalf("got %d (%v), expected 200 for every request", result.Status, result.Err)
		}
		if result.Token() != old {
			retried++
		}
	}
	if retried == 0 {
		t.Error("got no request after the token was revoked")
	}
	gateway.Token.CheckCallsOf(t, "load", 2)
	page.Tried(t, fmt.Sprintf("a token is revoked while %d requests/s come; the plugin is an upstream filter, and Envoy retries on 401", rate),
		"fetches one new token and repeats the rejected attempts with it",
		fmt.Sprintf("%d requests, all answered 200; slowest %d ms", len(results), slowest.Milliseconds()))
}

// Of a mirrored request, the plugin sees neither route nor host: only rules for these, and the global part, protect the mirror.
func TestMirroredRequest(t *testing.T) {
	rule := func(condition, value string) harness.Config {
		return harness.PlainConfig(harness.Config{condition: []string{value}, "cache": harness.Config{}})
	}
	gateway := harness.Start(t, harness.Options{
		Config: harness.WithRules(harness.Config{}, rule("_match_route_", "default"), rule("_match_domain_", "named-shadow")),
		Place:  harness.InRouter,
		VirtualHosts: []any{map[string]any{
			"name": "gateway", "domains": []string{"*"},
			"routes": []any{map[string]any{"name": "default", "match": map[string]any{"prefix": "/"}, "route": map[string]any{
				"cluster": "outbound|80||upstream.dns", "timeout": "0s", "request_mirror_policies": []any{map[string]any{"cluster": "outbound|80||upstream-a.dns"}},
			}}},
		}},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	const client = "client"
	token := harness.IssuedToken("token", 1)
	for host, want := range map[string]map[string]string{
		"named": {"named": token, "named-shadow": token},
		"other": {"other": token, "other-shadow": client},
	} {
		gateway.Upstream.Forget()
		gateway.Ask(t, host, "X-Token: "+client)
		got := map[string]string{}
		for _, request := range gateway.Upstream.WaitRequests(t, 2) {
			got[request.Host] = request.Header.Get("X-Token")
		}
		if !maps.Equal(got, want) {
			t.Errorf("got the tokens %q, expected %q", got, want)
		}
	}
}
