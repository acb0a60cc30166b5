package workers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func warmConfig(path string, cache map[string]any) map[string]any {
	return harness.PlainConfig(map[string]any{"requestPath": path, "cache": harness.Merge(map[string]any{"warmUp": true}, cache)})
}

// TestWarmUp has a gateway fetch its token before anybody asks: by one call for all workers, which have it then.
func TestWarmUp(t *testing.T) {
	t.Parallel()
	token := harness.NewTokenService(t)
	gateway := harness.Start(t, harness.Options{Config: warmConfig("/token", nil), Workers: workers, Token: token})
	token.WaitCalls(t, 1)
	gateway.WaitCounter(t, "calls", 1)
	clients := gateway.WorkerClients(t)
	for _, client := range clients {
		gateway.AskBy(t, client, "any").CheckToken(t, "token-1")
	}
	before := gateway.SettledCounters(t, harness.Counters{"calls": 0, "cache_misses": 0, "refreshes": 0})
	if before["calls"] != 1 || before["cache_misses"] != 0 || before["refreshes"] != 0 {
		t.Errorf("the counters are %v, want one call and no miss", before)
	}

	t.Run("until there is a token", func(t *testing.T) {
		const failures = 3
		var answers []http.HandlerFunc
		for range failures {
			answers = append(answers, harness.Status(http.StatusServiceUnavailable))
		}
		token.Handle(harness.Sequence(append(answers, harness.HeaderToken("X-Token", "token-2"))...))
		token.Forget()
		const backoff = 200 * time.Millisecond
		gateway.Update(t, warmConfig("/again", map[string]any{"backoff": backoff.Milliseconds()}))
		calls := token.WaitCalls(t, failures+1)
		for i := 1; i < len(calls); i++ {
			if wait, least := calls[i].Time.Sub(calls[i-1].Time), backoff<<(i-1); wait < least-20*time.Millisecond {
				t.Errorf("calls %d and %d are %s apart, want at least %s", i, i+1, wait, least)
			}
		}
		for _, client := range gateway.WorkerClients(t) {
			gateway.AskBy(t, client, "any").CheckToken(t, "token-2")
		}
		if calls := len(token.Calls()); calls != failures+1 {
			t.Errorf("%d calls, want %d for all workers", calls, failures+1)
		}
	})

	t.Run("several rules", func(t *testing.T) {
		token.Handle(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Token", r.URL.Path) })
		token.Forget()
		gateway.Update(t, harness.WithRules(warmConfig("/global", nil),
			map[string]any{"_match_route_": []string{"route-a"}, "requestPath": "/a"},
			map[string]any{"_match_route_": []string{"route-b"}, "requestPath": "/b", "cache": map[string]any{"warmUp": false}}))
		token.WaitCalls(t, 2)
		harness.CheckStatus(t, gateway.Get(t, "/b"), http.StatusOK)
		var paths []string
		for _, call := range token.Calls() {
			paths = append(paths, call.URI)
		}
		if got := strings.Join(paths, " "); got != "/global /a /b" && got != "/a /global /b" {
			t.Errorf("the calls are %s, want /global and /a before any request, and /b by it", got)
		}
	})

	t.Run("stops with its configuration", func(t *testing.T) {
		token.Handle(harness.Status(http.StatusServiceUnavailable))
		gateway.Update(t, warmConfig("/replaced", map[string]any{"backoff": 1}))
		token.Handle(harness.HeaderToken("X-Token", "token-1"))
		gateway.Update(t, harness.PlainConfig(nil))
		before := len(gateway.Token.CallsOf("replaced"))
		time.Sleep(4 * time.Second) // its next wait would have ended meanwhile
		if after := len(gateway.Token.CallsOf("replaced")); before == 0 || after != before {
			t.Errorf("%d calls for a replaced configuration, and then %d", before, after)
		}
	})
}

// TestWarmUpWithoutSharing has each worker fetch a token of its own. So does Envoy's main thread, where the plugin runs
// as well, and gets no requests.
func TestWarmUpWithoutSharing(t *testing.T) {
	t.Parallel()
	tokens := &harness.TokenIssuer{}
	token := harness.NewTokenService(t)
	token.Handle(tokens.Answer(300))
	gateway := harness.StartTraced(t, harness.Options{Config: warmConfig("/alone", map[string]any{"shared": false}), Workers: workers, Token: token})
	token.WaitCalls(t, workers+1)
	seen := map[string]bool{}
	for _, client := range gateway.WorkerClients(t) {
		seen[gateway.AskBy(t, client, "any").Token()] = true
	}
	if calls := len(token.Calls()); len(seen) != workers || calls != workers+1 {
		t.Errorf("the workers' tokens are %v after %d calls, want one for each worker, and one call more", seen, calls)
	}
}
