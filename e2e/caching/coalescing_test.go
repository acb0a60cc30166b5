// Package caching_test is about the cache of one worker in a real Envoy: who shares a call, who waits, and what becomes of
// them while the token service fails. What the cache decides by itself is tested beside it.
package caching_test

import (
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestOneCallForMany has 1,000 requests wait for one call, and be answered about as soon as without it.
func TestOneCallForMany(t *testing.T) {
	const count = 1000
	tries := harness.Numbered("cold", 3)
	hosts := append([]string{"warm"}, tries...)
	configs := harness.CachedConfigs(hosts, map[string]any{})
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	tokens := &harness.TokenIssuer{}

	gateway.Token.Handle(tokens.Answer(300))
	gateway.Ask(t, "warm").CheckToken(t, harness.IssuedToken("warm", 1))
	harness.SendParallel(gateway.Client(), gateway.Requests(t, "warm", count)...).Wait() // opens the connections
	harness.AtBest(t, "more than without a call, beside the call itself", 50*time.Millisecond, tries, func(host string) time.Duration {
		gateway.Token.Handle(tokens.Answer(300))
		usual := harness.SendParallel(gateway.Client(), gateway.Requests(t, "warm", count)...).Wait()
		before := gateway.SettledCounters(t, manyWant)
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
		requests := harness.SendParallel(gateway.Client(), gateway.Requests(t, host, count)...)
		gateway.WaitActive(t, count)
		released := time.Now()
		close(release)
		results := requests.Wait()
		for _, result := range results {
			if result.CheckToken(t, harness.IssuedToken(host, 1)); t.Failed() {
				break
			}
		}
		gateway.Token.CheckCallsOf(t, host, 1)
		gateway.WaitGrowth(t, before, manyWant)
		toTheCall := gateway.Token.CallsOf(host)[0].Time.Sub(firstSent(results))
		return toTheCall + lastAnswer(results).Sub(released) - lastAnswer(usual).Sub(firstSent(usual))
	})
}

// manyWant is what 1,000 requests on a cold cache are counted as.
var manyWant = harness.Counters{"calls": 1, "call_failures": 0, "cache_misses": 1000, "cache_hits": 0, "coalesced": 999, "denied": 0}

// lastAnswer is when the last of the requests was answered.
func lastAnswer(results []harness.Result) time.Time {
	last := time.Time{}
	for _, result := range results {
		if result.AnsweredAt.After(last) {
			last = result.AnsweredAt
		}
	}
	return last
}

// firstSent is when the first of the requests was sent.
func firstSent(results []harness.Result) time.Time {
	first := results[0].SentAt
	for _, result := range results {
		if result.SentAt.Before(first) {
			first = result.SentAt
		}
	}
	return first
}
