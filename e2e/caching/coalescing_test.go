// Package caching_test is about the cache of one worker in a real Envoy: who shares a call, who waits, and what becomes of
// them while the token service fails. What the cache decides by itself is tested beside it, how soon thousands are told in
// e2e/load.
package caching_test

import (
	"testing"

	"token-fetch/e2e/harness"
)

// A thousand requests, each with a connection of its own, wait for one call.
func TestOneCallForMany(t *testing.T) {
	const count = 1000
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(harness.CachedConfigs([]string{"cold"}, map[string]any{}))})
	tokens := &harness.TokenIssuer{}
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
	requests := harness.SendParallel(gateway.Client(), gateway.Requests(t, "cold", count)...)
	gateway.WaitActive(t, count)
	close(release)
	for _, result := range requests.Wait() {
		if result.CheckToken(t, harness.IssuedToken("cold", 1)); t.Failed() {
			break
		}
	}
	gateway.Token.CheckCallsOf(t, "cold", 1)
	gateway.WaitGrowth(t, harness.Counters{}, harness.Counters{
		"calls": 1, "call_failures": 0, "cache_misses": count, "cache_hits": 0, "coalesced": count - 1, "denied": 0,
	})
}
