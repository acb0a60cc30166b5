package e2e_test

import (
	"maps"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// TestMemory sends 60,000 requests, or as many as E2E_REQUESTS says, by turns with a
// cached token and with a call of their own. Memory is compared with that after a
// third of them, and after the first 50,000 of 150,000 and more. It may grow by a
// tenth in a million requests, and less in fewer.
func TestMemory(t *testing.T) {
	count := amount(t, "E2E_REQUESTS", 60_000, 15_000)
	allowed := 1.04
	if count >= 1_000_000 {
		allowed = 1.10
	}
	first := min(50_000, count/3)
	configs := cachedHosts([]string{"cached"}, map[string]any{"ttl": 86_400}) // is not renewed meanwhile
	maps.Copy(configs, cachedHosts([]string{"uncached"}, map[string]any{}))
	delete(configs["uncached"], "cache")
	gateway := startCached(t, harness.Options{Config: byHost(configs), WasmLog: "warn"})
	gateway.Token.Handle(harness.HeaderToken("X-Token", secretMark))
	get(t, gateway, "cached").checkToken(t, secretMark)
	hosts := map[bool]string{true: "cached", false: "uncached"}
	ask := func(i int) {
		if result := get(t, gateway, hosts[isCached(i)]); result.Status != http.StatusOK || result.token() != secretMark {
			t.Errorf("answered %d with the token %q (%v)", result.Status, result.token(), result.err)
		}
	}

	inTurn(gateway, 0, first, ask)
	before := gateway.MemoryKB(t)
	inTurn(gateway, first, count, ask)
	after := gateway.MemoryKB(t)
	if float64(after) > allowed*float64(before) {
		t.Errorf("memory was %d kB after %d requests and %d kB after %d, want at most %.2f times as much", before, first, after, count, allowed)
	}
	t.Logf("memory was %d kB after %d requests and %d kB after %d", before, first, after, count)
	cached := 0
	for i := range count {
		if isCached(i) {
			cached++
		}
	}
	gateway.WaitCounter(t, "cache_hits", cached)
	gateway.WaitCounter(t, "calls", count-cached+1)
}

// isCached has each of the clients of inTurn change between the two kinds.
func isCached(i int) bool { return i/8%2 == 0 }
