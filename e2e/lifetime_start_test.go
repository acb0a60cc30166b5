package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// slowLifetimes are answers that come slowStart after their call, with a lifetime of slowLifetime.
var slowLifetimes = map[string]tokenAnswer{
	"expires_in": {body: `{"expires_in":3}`},
	"max-age":    {headers: []string{"Cache-Control: max-age=3"}},
	"ttl":        {},
}

const (
	slowStart    = 1500 * time.Millisecond
	slowLifetime = 3 * time.Second
)

// TestLifetimesStartWithTheCall has a slow token service. Its tokens are as old as their calls
// may have it: when a token was made while its call was under way nobody knows.
func TestLifetimesStartWithTheCall(t *testing.T) {
	t.Parallel()
	cache := map[string]any{"ttl": slowLifetime.Seconds(), "refreshBefore": 0}
	configs := harness.CachedConfigs(append(slices.Collect(maps.Keys(slowLifetimes)), "over"), cache)
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	answers := map[string]http.HandlerFunc{"over": harness.Delay(slowStart, tokenAnswer{body: `{"expires_in":1}`}.write)}
	for host, answer := range slowLifetimes {
		answers[host] = harness.Delay(slowStart, answer.write)
	}
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	// All at the same time, as most of it is waiting.
	var group sync.WaitGroup
	for host := range slowLifetimes {
		group.Go(func() {
			for start := time.Now(); len(gateway.Token.CallsOf(host)) < 2 && time.Since(start) < harness.Limit; time.Sleep(10 * time.Millisecond) {
				gateway.Ask(t, host).CheckToken(t, harness.SecretMark)
			}
		})
	}
	// A token that is over when it comes still serves the request that waited for it.
	group.Go(func() {
		gateway.Ask(t, "over").CheckToken(t, harness.SecretMark)
		gateway.Ask(t, "over").CheckToken(t, harness.SecretMark)
	})
	group.Wait()
	for host := range slowLifetimes {
		t.Run(host, func(t *testing.T) { checkGap(t, gateway, host) })
	}
	t.Run("over when it comes", func(t *testing.T) { gateway.Token.CheckCallsOf(t, "over", 2) })
}

func checkGap(t *testing.T, gateway *harness.Gateway, host string) {
	t.Helper()
	calls := gateway.Token.CallsOf(host)
	if len(calls) != 2 {
		t.Fatalf("%d calls, want 2", len(calls))
	}
	// The service notes a call a little after it was sent.
	const early, late = 100 * time.Millisecond, 700 * time.Millisecond
	if gap := calls[1].Time.Sub(calls[0].Time); gap < slowLifetime-early || gap > slowLifetime+late {
		t.Errorf("the second call came %s after the first, want the lifetime of %s", gap, slowLifetime)
	}
}
