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
	configs := cachedHosts(append(slices.Collect(maps.Keys(slowLifetimes)), "over"), cache)
	gateway := startCached(t, harness.Options{Config: byHost(configs)})
	answers := map[string]http.HandlerFunc{"over": harness.Delay(slowStart, tokenAnswer{body: `{"expires_in":1}`}.write)}
	for host, answer := range slowLifetimes {
		answers[host] = harness.Delay(slowStart, answer.write)
	}
	gateway.Token.Handle(answerByPath(answers, harness.Status(http.StatusTeapot)))

	// All at the same time, as most of it is waiting.
	var group sync.WaitGroup
	for host := range slowLifetimes {
		spawn(&group, func() {
			for start := time.Now(); len(callsOf(gateway, host)) < 2 && time.Since(start) < limit; time.Sleep(10 * time.Millisecond) {
				get(t, gateway, host).checkToken(t, secretMark)
			}
		})
	}
	// A token that is over when it comes still serves the request that waited for it.
	spawn(&group, func() {
		get(t, gateway, "over").checkToken(t, secretMark)
		get(t, gateway, "over").checkToken(t, secretMark)
	})
	group.Wait()
	for host := range slowLifetimes {
		t.Run(host, func(t *testing.T) { checkGap(t, gateway, host) })
	}
	t.Run("over when it comes", func(t *testing.T) { checkCalls(t, gateway, "over", 2) })
}

func checkGap(t *testing.T, gateway *harness.Gateway, host string) {
	t.Helper()
	calls := callsOf(gateway, host)
	if len(calls) != 2 {
		t.Fatalf("%d calls, want 2", len(calls))
	}
	// The service notes a call a little after it was sent.
	const early, late = 100 * time.Millisecond, 700 * time.Millisecond
	if gap := calls[1].Time.Sub(calls[0].Time); gap < slowLifetime-early || gap > slowLifetime+late {
		t.Errorf("the second call came %s after the first, want the lifetime of %s", gap, slowLifetime)
	}
}
