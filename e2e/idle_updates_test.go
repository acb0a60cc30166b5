package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestIdleAfterUpdates updates the configuration 60 times, or as often as E2E_UPDATES says; with
// -short 15 times. What a replaced configuration leaves behind shows in an idle worker's wakeups.
func TestIdleAfterUpdates(t *testing.T) {
	t.Parallel()
	const measured = 4 * time.Second
	updates := harness.Amount(t, "E2E_UPDATES", 60, 15)
	configOf := func(update int) map[string]any {
		return map[string]any{"_rules_": []any{
			harness.Merge(harness.PlainConfig(map[string]any{"requestPath": fmt.Sprintf("/cached-%d", update), "cache": map[string]any{}}),
				map[string]any{"_match_domain_": []string{"cached"}}),
			harness.Merge(harness.PlainConfig(map[string]any{"forwardHeaders": []string{"X-User"}, "cache": map[string]any{"ttl": update + 300}}),
				map[string]any{"_match_domain_": []string{"callers"}}),
			harness.Merge(harness.PlainConfig(nil), map[string]any{"_match_domain_": []string{"uncached"}}),
		}}
	}
	gateway := harness.Start(t, harness.Options{Config: configOf(0), WasmLog: "warn"})
	use := func() {
		for _, host := range []string{"cached", "callers", "uncached"} {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host, "X-User: one"), 200)
		}
		gateway.Client().CloseIdleConnections()
	}
	use()
	before := wakeups(t, gateway, measured)
	for update := 1; update < updates; update++ {
		gateway.Replace(t, configOf(update))
		use()
	}
	gateway.Update(t, configOf(updates))
	use()
	after := wakeups(t, gateway, measured)
	t.Logf("an idle worker woke %.1f times a second before %d updates and %.1f times after", before, updates, after)
	if after > before+outOfStep {
		t.Errorf("an idle worker woke %.1f times a second before %d updates and %.1f times after, want no more", before, updates, after)
	}
}

// wakeups are those of a second, the least of three measurements: others on the machine can only add
// some.
func wakeups(t *testing.T, gateway *harness.Gateway, duration time.Duration) float64 {
	t.Helper()
	least := gateway.Wakeups(t, duration/3)
	for range 2 {
		least = min(least, gateway.Wakeups(t, duration/3))
	}
	return least
}
