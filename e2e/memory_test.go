package e2e_test

import (
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// TestMemory sends 60,000 requests, or as many as E2E_REQUESTS says, half of them with a cached
// token and half with a call of their own: the plugin keeps the one kind itself, and leaves the
// other to the SDK.
func TestMemory(t *testing.T) {
	count := harness.Amount(t, "E2E_REQUESTS", 60_000, 15_000) / 2
	t.Run("cached", func(t *testing.T) {
		gateway := checkMemory(t, count, map[string]any{"ttl": 86_400}) // is not renewed meanwhile
		gateway.WaitCounter(t, "cache_hits", count-1)
		gateway.WaitCounter(t, "calls", 1)
	})
	t.Run("uncached", func(t *testing.T) {
		gateway := checkMemory(t, count, nil)
		gateway.WaitCounter(t, "calls", count)
	})
}

// checkMemory compares the memory after a third of the requests, or after the first 50,000 of
// 150,000 and more, with that at the end. It may grow by a tenth in half a million requests,
// and less in fewer.
func checkMemory(t *testing.T, count int, cache map[string]any) *harness.Gateway {
	t.Helper()
	allowed := 1.04
	if count >= 500_000 {
		allowed = 1.10
	}
	first := min(50_000, count/3)
	config := harness.CachedConfigs([]string{"memory"}, cache)
	if cache == nil {
		delete(config["memory"], "cache")
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(config), WasmLog: "warn"})
	gateway.Token.Handle(harness.HeaderToken("X-Token", harness.SecretMark))
	ask := func(int) {
		if result := gateway.Ask(t, "memory"); result.Status != http.StatusOK || result.Token() != harness.SecretMark {
			t.Errorf("answered %d with the token %q (%v)", result.Status, result.Token(), result.Err)
		}
	}
	ask(0) // alone: those that wait with it would be neither hits nor calls
	gateway.InTurn(1, first, ask)
	before := gateway.MemoryKB(t)
	gateway.InTurn(first, count, ask)
	after := gateway.MemoryKB(t)
	if float64(after) > allowed*float64(before) {
		t.Errorf("memory was %d kB after %d requests and %d kB after %d, want at most %.2f times as much", before, first, after, count, allowed)
	}
	t.Logf("memory was %d kB after %d requests and %d kB after %d", before, first, after, count)
	return gateway
}
