package workers_test

import (
	"net/http"
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

	t.Run("stops with its configuration", func(t *testing.T) {
		token.Handle(harness.Status(http.StatusServiceUnavailable))
		gateway.Update(t, warmConfig("/replaced", map[string]any{"backoff": 1}))
		token.WaitCallsOf(t, "replaced", 1)
		token.Handle(harness.HeaderToken("X-Token", "token-1"))
		gateway.Update(t, harness.PlainConfig(nil))
		before := len(gateway.Token.CallsOf("replaced"))
		time.Sleep(4 * time.Second) // its next wait would have ended meanwhile
		if after := len(gateway.Token.CallsOf("replaced")); after != before {
			t.Errorf("%d calls for a replaced configuration, and then %d", before, after)
		}
	})
}
