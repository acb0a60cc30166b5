// Package memory_test watches the memory of Envoy while thousands of requests and callers come.
package memory_test

import (
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// TestRequestsLeaveNoMemory sends 30,000 requests, or as many as E2E_REQUESTS says, half of them with a cached token and
// half with a call of their own.
func TestRequestsLeaveNoMemory(t *testing.T) {
	t.Parallel()
	count := harness.Amount(t, "E2E_REQUESTS", 30_000, 15_000) / 2
	gateway := harness.StartTraced(t, harness.Options{WasmLog: "warn", Config: harness.ByHost(
		harness.CachedConfigs([]string{"cached"}, map[string]any{"ttl": 86_400}), // is not renewed meanwhile
		map[string]map[string]any{"uncached": harness.PlainConfig(map[string]any{"timeout": 20_000})},
	)})
	gateway.Token.Handle(harness.HeaderToken("X-Token", harness.SecretMark))
	checkMemory(t, gateway, "cached", count)
	gateway.WaitGrowth(t, harness.Counters{}, harness.Counters{"cache_hits": count - 1, "calls": 1})
	checkMemory(t, gateway, "uncached", count)
	gateway.WaitCounter(t, "calls", 1+count)
}

// checkMemory compares the memory after a third of the requests, or after the first 50,000 of 150,000 and more, with that
// at the end. It may grow by a tenth in half a million requests, and less in fewer.
func checkMemory(t *testing.T, gateway *harness.Gateway, host string, count int) {
	t.Helper()
	allowed := 1.04
	if count >= 500_000 {
		allowed = 1.10
	}
	first := min(50_000, count/3)
	ask := func(int) {
		if result := gateway.Ask(t, host); result.Status != http.StatusOK || result.Token() != harness.SecretMark {
			t.Errorf("answered %d with the token %q (%v)", result.Status, result.Token(), result.Err)
		}
	}
	ask(0) // alone: those that wait with it would be neither hits nor calls
	gateway.InTurn(1, first, ask)
	before := gateway.MemoryKB(t)
	gateway.InTurn(first, count, ask)
	after := gateway.MemoryKB(t)
	if float64(after) > allowed*float64(before) {
		t.Errorf("%s: memory was %d kB after %d requests and %d kB after %d, want at most %.2f times as much", host, before, first, after, count, allowed)
	}
	t.Logf("%s: memory was %d kB after %d requests and %d kB after %d", host, before, first, after, count)
}
