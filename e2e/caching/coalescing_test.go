// Package caching_test tests the cache of one worker in a real Envoy: which requests share a call, which wait, and how they
// are answered while the token service fails. The cache's own logic is tested in internal/cache, and how soon thousands of
// requests are resumed in e2e/load.
package caching_test

import (
	"testing"

	"token-fetch/e2e/harness"
)

// A thousand requests, each on its own connection, wait for one call.
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
