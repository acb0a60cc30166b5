package caching_test

import (
	"maps"
	"net/http"
	"strconv"
	"testing"

	"token-fetch/e2e/harness"
)

func TestInvalidation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string // and host
		invalidateOn []int  // nil: the default
		status       int    // of the upstream
		dropped      bool
	}{
		{"401", nil, 401, true},
		{"403", nil, 403, false},
		{"listed", []int{403, 419}, 419, true},
	}
	configs := harness.CachedConfigs([]string{"late"}, map[string]any{"backoff": 1})
	maps.Copy(configs, harness.CachedConfigs([]string{"late-not-shared"}, map[string]any{"backoff": 1, "shared": false}))
	maps.Copy(configs, harness.CachedConfigs([]string{"own-reply"}, map[string]any{"invalidateOn": []int{503}}))
	for _, test := range tests {
		cache := map[string]any{}
		if test.invalidateOn != nil {
			cache["invalidateOn"] = test.invalidateOn
		}
		maps.Copy(configs, harness.CachedConfigs([]string{test.name}, cache))
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	tokens := &harness.TokenIssuer{}
	gateway.Token.Handle(tokens.Answer(300))
	gateway.Upstream.Respond(harness.Verdict(nil))
	invalidated := 0

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			gateway.Ask(t, test.name).CheckToken(t, harness.IssuedToken(test.name, 1))
			refused := gateway.Ask(t, test.name, "X-Verdict: "+strconv.Itoa(test.status))
			if refused.Status != test.status || refused.Token() != harness.IssuedToken(test.name, 1) {
				t.Errorf("answered %d with the token %q, want %d with the first", refused.Status, refused.Token(), test.status)
			}
			want := 1
			if test.dropped {
				want = 2
				invalidated++
			}
			gateway.Ask(t, test.name).CheckToken(t, harness.IssuedToken(test.name, want))
			gateway.Token.CheckCallsOf(t, test.name, want)
		})
	}
	gateway.WaitCounter(t, "invalidated", invalidated)

	t.Run("not by the upstream", func(t *testing.T) {
		gateway.Ask(t, "own-reply").CheckToken(t, harness.IssuedToken("own-reply", 1))
		if result := gateway.Ask(t, "own-reply", "X-Verdict: abort"); result.Status != http.StatusServiceUnavailable {
			t.Errorf("answered %d (%v), want Envoy's own 503", result.Status, result.Err)
		}
		gateway.Ask(t, "own-reply").CheckToken(t, harness.IssuedToken("own-reply", 1))
	})

	for _, host := range []string{"late", "late-not-shared"} {
		t.Run(host, func(t *testing.T) {
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 1))
			release := make(chan struct{})
			gateway.Upstream.Respond(harness.Verdict(release))
			gateway.Upstream.Forget()
			late := harness.SendParallel(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", "Host: "+host, "X-Verdict: hold"))
			gateway.Upstream.WaitRequests(t, 1)
			gateway.Ask(t, host, "X-Verdict: 401")
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 2))
			close(release)
			if result := late.Wait()[0]; result.Status != http.StatusUnauthorized || result.Token() != harness.IssuedToken(host, 1) {
				t.Errorf("answered %d with the token %q, want 401 with the first", result.Status, result.Token())
			}
			// The late response was about a token that is no longer in use.
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 2))
			gateway.Token.CheckCallsOf(t, host, 2)
			invalidated++
			gateway.WaitCounter(t, "invalidated", invalidated)
		})
	}

	gateway.WaitCounter(t, "calls", len(gateway.Token.Calls()))
}
