package caching_test

import (
	"maps"
	"net/http"
	"strconv"
	"testing"
	"time"

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
		{"500", nil, 500, false},
		{"listed", []int{403, 419}, 419, true},
		{"401-not-listed", []int{403, 419}, 401, false},
		{"empty-list", []int{}, 401, false},
	}
	configs := harness.CachedConfigs([]string{"many", "late"}, map[string]any{"backoff": 1})
	maps.Copy(configs, harness.CachedConfigs([]string{"late-not-shared"}, map[string]any{"backoff": 1, "shared": false}))
	maps.Copy(configs, harness.CachedConfigs([]string{"never-good-alone"}, map[string]any{"backoff": 300}))
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
	upstream := &harness.Verdicts{}
	gateway.Upstream.Respond(upstream.Status)
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

	t.Run("many for one token", func(t *testing.T) {
		const count = 50
		gateway.Ask(t, "many").CheckToken(t, harness.IssuedToken("many", 1))
		for _, result := range refuseAtOnce(t, gateway, upstream, "many", count) {
			if result.Status != http.StatusUnauthorized || result.Token() != harness.IssuedToken("many", 1) {
				t.Fatalf("answered %d with the token %q (%v), want 401 with the first", result.Status, result.Token(), result.Err)
			}
		}
		for _, result := range harness.SendParallel(gateway.Client(), gateway.Requests(t, "many", count)...).Wait() {
			result.CheckToken(t, harness.IssuedToken("many", 2))
		}
		gateway.Token.CheckCallsOf(t, "many", 2)
		invalidated++
		gateway.WaitCounter(t, "invalidated", invalidated)
	})

	for _, host := range []string{"late", "late-not-shared"} {
		t.Run(host, func(t *testing.T) {
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 1))
			release := upstream.Hold()
			gateway.Upstream.Forget()
			late := harness.SendParallel(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", "Host: "+host, "X-Verdict: hold"))
			gateway.Upstream.WaitRequests(t, 1)
			gateway.Ask(t, host, "X-Verdict: 401")
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 2))
			close(release)
			if result := late.Wait()[0]; result.Status != http.StatusUnauthorized || result.Token() != harness.IssuedToken(host, 1) {
				t.Errorf("answered %d with the token %q, want 401 with the first", result.Status, result.Token())
			}
			// The late answer was about a token that nobody has any more.
			gateway.Ask(t, host).CheckToken(t, harness.IssuedToken(host, 2))
			gateway.Token.CheckCallsOf(t, host, 2)
			invalidated++
			gateway.WaitCounter(t, "invalidated", invalidated)
		})
	}

	t.Run("always", func(t *testing.T) {
		results := harness.Load(200, 4*time.Second, func(int) harness.Result { return gateway.Ask(t, "never-good-alone", "X-Verdict: 401") })
		for _, result := range results {
			if result.Status != http.StatusUnauthorized || result.Token() == "" {
				t.Fatalf("answered %d with the token %q (%v), want the upstream's 401", result.Status, result.Token(), result.Err)
			}
		}
		calls := gateway.Token.CallsOf("never-good-alone")
		if len(calls) < 4 {
			t.Errorf("%d calls, want at least 4", len(calls))
		}
		// The first token is dropped at once.
		harness.CheckBackoff(t, calls[1:], 300*time.Millisecond, 500*time.Millisecond)
		gateway.WaitCounter(t, "invalidated", invalidated+len(calls)-1)
	})
	gateway.WaitCounter(t, "calls", len(gateway.Token.Calls()))
}

// refuseAtOnce has so many requests at the upstream before it refuses them all.
func refuseAtOnce(t *testing.T, gateway *harness.Gateway, upstream *harness.Verdicts, host string, count int) []harness.Result {
	t.Helper()
	release := upstream.Hold()
	gateway.Upstream.Forget()
	refused := harness.SendParallel(gateway.Client(), gateway.HeldRequests(t, host, count)...)
	gateway.Upstream.WaitRequests(t, count)
	close(release)
	return refused.Wait()
}
