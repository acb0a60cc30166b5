// Package workers_test tests gateways whose workers share tokens: one call serves all of them.
package workers_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

const workers = 4

func TestWorkers(t *testing.T) {
	t.Parallel()
	configs := harness.CachedConfigs([]string{"warm", "cold", "refused-at-once", "renewed"}, map[string]any{})
	maps.Copy(configs, harness.CachedConfigs([]string{"alone"}, map[string]any{"shared": false}))
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), Workers: workers})
	clients := gateway.WorkerClients(t)
	tokens := &harness.TokenIssuer{}

	t.Run("one call serves all", func(t *testing.T) {
		gateway.Token.Handle(tokens.Answer(300))
		before := gateway.SettledCounters(t, harness.Counters{"calls": 0, "cache_misses": 0, "cache_hits": 0})
		for range 5 {
			for _, client := range clients {
				gateway.AskBy(t, client, "warm").CheckToken(t, harness.IssuedToken("warm", 1))
			}
		}
		gateway.Token.CheckCallsOf(t, "warm", 1)
		gateway.WaitGrowth(t, before, harness.Counters{"calls": 1, "cache_misses": 1, "cache_hits": 5*workers - 1})
	})

	t.Run("cold start", func(t *testing.T) {
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
		var requests []*harness.Parallel
		for _, client := range clients {
			requests = append(requests, harness.SendParallel(client, gateway.Requests(t, "cold", 20)...))
		}
		gateway.WaitActive(t, 20*workers)
		close(release)
		for _, requests := range requests {
			for _, result := range requests.Wait() {
				if result.Status != http.StatusOK || result.Token() == "" {
					t.Errorf("answered %d with the token %q (%v)", result.Status, result.Token(), result.Err)
				}
			}
		}
		gateway.Token.CheckCallsOf(t, "cold", 1)
	})

	t.Run("not shared", func(t *testing.T) {
		gateway.Token.Handle(tokens.Answer(300))
		for range 3 {
			for i, client := range clients {
				gateway.AskBy(t, client, "alone").CheckToken(t, harness.IssuedToken("alone", i+1))
			}
		}
		gateway.Token.CheckCallsOf(t, "alone", workers)
	})

	t.Run("renewal", func(t *testing.T) {
		const (
			lifetime  = 3 * time.Second
			renewedAt = 1800 * time.Millisecond // up to a fifth of a second earlier than 1 s before the end
			callTime  = 300 * time.Millisecond  // long enough for every worker to notice that it is time
		)
		gateway.Token.Handle(harness.Delay(callTime, tokens.Answer(lifetime.Seconds())))
		for _, client := range clients {
			gateway.AskBy(t, client, "renewed").CheckToken(t, harness.IssuedToken("renewed", 1))
		}
		before := gateway.SettledCounters(t, harness.Counters{"cache_misses": 0, "denied": 0})
		harness.Load(100, 7*time.Second, func(i int) harness.Result { return gateway.AskBy(t, clients[i%workers], "renewed") })
		gateway.WaitGrowth(t, before, harness.Counters{"cache_misses": 0, "denied": 0})
		tokens.CheckFresh(t, gateway.Upstream, "renewed", lifetime)
		calls := gateway.Token.CallsOf("renewed")
		if len(calls) < 3 {
			t.Errorf("%d calls, want at least 3", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			if gap := calls[i].Time.Sub(calls[i-1].Time); gap < renewedAt-50*time.Millisecond {
				t.Errorf("two calls are only %s apart, want %s", gap, renewedAt)
			}
		}
	})

	t.Run("refused on all workers at once", func(t *testing.T) {
		const count = 20
		gateway.Token.Handle(tokens.Answer(300))
		first := harness.IssuedToken("refused-at-once", 1)
		before := gateway.SettledCounters(t, harness.Counters{"invalidated": 0})
		var requests []*harness.Parallel
		release := make(chan struct{})
		gateway.Upstream.Respond(harness.Verdict(release))
		gateway.Upstream.Forget()
		for _, client := range clients {
			gateway.AskBy(t, client, "refused-at-once").CheckToken(t, first)
			held := gateway.Requests(t, "refused-at-once", count)
			for _, request := range held {
				request.Header.Set("X-Verdict", "hold")
			}
			requests = append(requests, harness.SendParallel(client, held...))
		}
		gateway.Upstream.WaitRequests(t, (count+1)*workers)
		close(release)
		for _, requests := range requests {
			requests.Wait()
		}
		for _, client := range clients {
			for _, result := range harness.SendParallel(client, gateway.Requests(t, "refused-at-once", count)...).Wait() {
				if result.Status != http.StatusOK || result.Token() == "" || result.Token() == first {
					t.Fatalf("answered %d with the token %q (%v), want 200 with another than %q", result.Status, result.Token(), result.Err, first)
				}
			}
		}
		gateway.WaitGrowth(t, before, harness.Counters{"invalidated": 1})
		gateway.Token.CheckCallsOf(t, "refused-at-once", 2)
	})
}
