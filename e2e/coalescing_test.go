package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestOneCallForMany(t *testing.T) {
	tries := numbered("cold", 3)
	hosts := append([]string{"warm", "held", "free"}, tries...)
	configs := cachedHosts(hosts, map[string]any{})
	configs["callers"] = merged(cachedHosts([]string{"callers"}, map[string]any{})["callers"],
		map[string]any{"forwardHeaders": []string{"X-User"}})
	gateway := startCached(t, harness.Options{Config: byHost(configs)})
	tokens := &mint{}

	t.Run("1000 requests", func(t *testing.T) {
		const count = 1000
		gateway.Token.Handle(tokens.answer(300))
		get(t, gateway, "warm").checkToken(t, mintedToken("warm", 1))
		sendParallel(gateway.Client(), requestsFor(t, gateway, "warm", count)...).wait() // opens the connections
		atBest(t, "more than without a call, beside the call itself", 50*time.Millisecond, tries, func(host string) time.Duration {
			gateway.Token.Handle(tokens.answer(300))
			usual := sendParallel(gateway.Client(), requestsFor(t, gateway, "warm", count)...).wait()
			before := settledCounters(t, gateway, manyWant)
			release := make(chan struct{})
			gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))
			requests := sendParallel(gateway.Client(), requestsFor(t, gateway, host, count)...)
			waitActive(t, gateway, count)
			released := time.Now()
			close(release)
			results := requests.wait()
			for _, result := range results {
				if result.checkToken(t, mintedToken(host, 1)); t.Failed() {
					break
				}
			}
			checkCalls(t, gateway, host, 1)
			waitGrown(t, gateway, before, manyWant)
			toTheCall := callsOf(gateway, host)[0].Time.Sub(firstSent(results))
			return toTheCall + lastAnswer(results).Sub(released) - lastAnswer(usual).Sub(firstSent(usual))
		})
	})

	t.Run("one request", func(t *testing.T) {
		const callTime, keys = 20 * time.Millisecond, 10
		gateway.Token.Handle(harness.Delay(callTime, tokens.answer(300)))
		get(t, gateway, "callers") // opens the connections
		atBest(t, "more than the call took", 50*time.Millisecond, numbered("alone", 3), func(try string) time.Duration {
			longest := time.Duration(0)
			for _, caller := range numbered(try, keys) {
				result := get(t, gateway, "callers", "X-User: s3cr3t-"+caller)
				if result.Status != http.StatusOK || result.token() == "" {
					t.Errorf("answered %d with the token %q (%v)", result.Status, result.token(), result.err)
				}
				longest = max(longest, result.took())
			}
			return longest - callTime
		})
	})

	t.Run("different keys", func(t *testing.T) {
		for _, test := range []struct {
			name         string
			held, free   string   // hosts
			heldH, freeH []string // headers
		}{
			{name: "of two rules", held: "held", free: "free"},
			{name: "of two callers", held: "callers", heldH: []string{"X-User: s3cr3t-held"}, free: "callers", freeH: []string{"X-User: s3cr3t-free"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				gateway.Token.Forget()
				release := make(chan struct{})
				gateway.Token.Handle(harness.Sequence(harness.Hold(release, tokens.answer(300)), tokens.answer(300)))
				held := sendParallel(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", append(test.heldH, "Host: "+test.held)...))
				gateway.Token.WaitCalls(t, 1)
				free := get(t, gateway, test.free, test.freeH...)
				if free.err != nil || free.Status != http.StatusOK || free.token() == "" {
					t.Errorf("the other key's request was answered %d with the token %q (%v)", free.Status, free.token(), free.err)
				}
				waitActive(t, gateway, 1) // the first one waits as before
				close(release)
				if result := held.wait()[0]; result.Status != http.StatusOK || result.token() == "" || result.token() == free.token() {
					t.Errorf("the held request was answered %d with the token %q, the other one's is %q", result.Status, result.token(), free.token())
				}
			})
		}
	})
}

// manyWant is what 1,000 requests on a cold cache are counted as.
var manyWant = counters{"calls": 1, "call_failures": 0, "cache_misses": 1000, "cache_hits": 0, "coalesced": 999, "denied": 0}
