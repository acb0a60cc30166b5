package caching_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestOneOffCallers has tokens that are not in use when their renewal would be due: it is made
// for those who would otherwise have to wait, and for nobody else.
func TestOneOffCallers(t *testing.T) {
	t.Parallel()
	const lifetime, callers = 4, 50 // renewed a second before the end, or a fifth of that earlier
	configs := forwardingHosts([]string{"one-off", "early", "late", "busy"}, map[string]any{})
	configs["common"] = harness.CachedConfigs([]string{"common"}, map[string]any{})["common"]
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", harness.SecretMark)
		harness.JSON(200, map[string]any{"expires_in": lifetime})(w, r)
	})
	ask := func(t *testing.T, host, caller string) {
		t.Helper()
		gateway.Ask(t, host, "X-User: "+harness.SecretMark+caller).CheckToken(t, harness.SecretMark)
	}
	start := time.Now()
	at := func(seconds float64) {
		time.Sleep(time.Until(start.Add(time.Duration(seconds * float64(time.Second)))))
	}
	const over = 2 * lifetime // when renewals would have been seen, also of renewed tokens
	uses := map[string]struct {
		use  func(host string)
		want int // calls, 0: see below
	}{
		"one-off": {func(host string) {
			for i := range callers {
				ask(t, host, fmt.Sprint(i))
			}
		}, callers},
		"common": {func(host string) { gateway.Ask(t, host).CheckToken(t, harness.SecretMark) }, 1},
		"early": {func(host string) {
			for _, seconds := range []float64{0, 0.2, 0.5, 0.8} {
				at(seconds)
				ask(t, host, "a")
			}
		}, 1},
		"late": {func(host string) {
			for _, seconds := range []float64{0, 2.2} {
				at(seconds)
				ask(t, host, "a")
			}
		}, 2},
		"busy": {func(host string) {
			for time.Since(start) < over*time.Second {
				ask(t, host, "a")
				time.Sleep(20 * time.Millisecond)
			}
		}, 0},
	}
	// All at the same time, as most of it is waiting.
	var group sync.WaitGroup
	for host, test := range uses {
		group.Go(func() { test.use(host) })
	}
	group.Wait()
	at(over)
	for host, test := range uses {
		calls := len(gateway.Token.CallsOf(host))
		if host == "busy" && (calls < 3 || calls > 4) {
			t.Errorf("%d calls for the busy caller in %d seconds, want 3 or 4", calls, over)
		}
		if host != "busy" && calls != test.want {
			t.Errorf("%s: %d calls, want %d", host, calls, test.want)
		}
	}
	// No renewal was missed: each caller waited once.
	const waited = callers + 1 + 1 + 1 + 1
	gateway.WaitCounter(t, "cache_misses", waited)
	gateway.WaitCounter(t, "refreshes", len(gateway.Token.Calls())-waited)
}
