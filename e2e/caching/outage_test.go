package caching_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// outage is what a request is answered when there is no token.
type outage struct {
	status      int
	body        string // "": the upstream's
	contentType string
}

// TestOutage has the token service fail for 5 seconds, or as many as
// E2E_OUTAGE_SECONDS says, under 500 requests a second.
func TestOutage(t *testing.T) {
	t.Parallel()
	const (
		rate      = 500
		backoff   = 200 * time.Millisecond
		callLimit = 5 * time.Second
	)
	duration := time.Duration(harness.Amount(t, "E2E_OUTAGE_SECONDS", 5, 3)) * time.Second
	failures := map[string]map[string]any{
		"default": nil,
		"deny":    {"mode": "deny", "status": 503, "body": `{"error":"no token"}`, "contentType": "application/json"},
		"allow":   {"mode": "allow"},
	}
	outages := map[string]outage{
		"default": {500, "http call failed", "text/plain; charset=utf-8"},
		"deny":    {503, `{"error":"no token"}`, "application/json"},
		"allow":   {200, "", "application/json"},
	}
	hosts := slices.Sorted(maps.Keys(failures))
	configs := harness.CachedConfigs(append(hosts, "warm"), map[string]any{"backoff": backoff.Milliseconds()})
	for host, failure := range failures {
		configs[host]["timeout"] = callLimit.Milliseconds()
		if failure != nil {
			configs[host]["failure"] = failure
		}
	}
	maps.Copy(configs, harness.CachedConfigs([]string{"stale"}, map[string]any{"backoff": backoff.Milliseconds(), "staleIfError": 2}))
	maps.Copy(configs, harness.CachedConfigs([]string{"refused"}, map[string]any{"backoff": backoff.Milliseconds()}))
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), WasmLog: "debug"})
	tokens := &harness.TokenIssuer{}

	t.Run("under load", func(t *testing.T) {
		service := harness.NewAnswerSwitch(tokens.Answer(300))
		gateway.Token.Handle(service.Answer)
		gateway.Ask(t, "warm").CheckToken(t, harness.IssuedToken("warm", 1))
		service.Set(harness.Reset())
		before := gateway.SettledCounters(t, harness.Counters{"denied": 0, "allowed_without_token": 0, "calls": 0, "call_failures": 0})
		recovery := time.AfterFunc(duration, func() { service.Set(tokens.Answer(300)) })
		defer recovery.Stop()

		all := append([]string{"warm"}, hosts...)
		until := lastCallAfter(duration, backoff) + time.Second
		results := map[string][]harness.Result{}
		for i, result := range harness.Load(rate, until, func(i int) harness.Result {
			return gateway.Ask(t, all[i%len(all)], "X-Token: forged")
		}) {
			host := all[i%len(all)]
			results[host] = append(results[host], result)
		}

		for _, result := range results["warm"] {
			if result.CheckToken(t, harness.IssuedToken("warm", 1)); t.Failed() {
				break
			}
		}
		grown := harness.Counters{}
		for _, host := range hosts {
			checkOutage(t, host, outages[host], results[host], callLimit)
			calls := gateway.Token.CallsOf(host)
			// The waits go on to the first call that was good.
			harness.CheckBackoff(t, calls, backoff, 500*time.Millisecond)
			if first, last := calls[0].Time, calls[len(calls)-1].Time; last.Sub(first) < duration-time.Second {
				t.Errorf("%s: the last call was %s after the first", host, last.Sub(first))
			}
			grown["calls"] += len(calls)
			grown["call_failures"] += len(calls) - 1
			for _, result := range results[host] {
				switch {
				case result.Status != http.StatusOK:
					grown["denied"]++
				case result.Token() == "":
					grown["allowed_without_token"]++
				}
			}
		}
		gateway.WaitGrowth(t, before, grown)
	})

	t.Run("connection refused", func(t *testing.T) {
		gateway.Token.Stop()
		before := gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0})
		start := time.Now()
		results := harness.Load(50, time.Second, func(int) harness.Result { return gateway.Ask(t, "refused") })
		took := time.Since(start)
		for _, result := range results {
			if result.Status != http.StatusInternalServerError || result.Body != "http call failed" {
				t.Fatalf("answered %d %q (%v)", result.Status, result.Body, result.Err)
			}
		}
		failed := gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0})
		// At once, after 0.2 and after 0.6 seconds, each up to a fifth later.
		if calls := failed["calls"] - before["calls"]; calls < 2 || calls > 3 && took < 1400*time.Millisecond {
			t.Errorf("%d calls in %s, want 2 or 3", calls, took)
		}
		if failed["calls"]-before["calls"] != failed["call_failures"]-before["call_failures"] {
			t.Errorf("calls and call_failures grew from %v to %v", before, failed)
		}
		gateway.Token.Resume(t)
		gateway.Token.Handle(tokens.Answer(300))
		getWhenPossible(t, gateway, "refused").CheckToken(t, harness.IssuedToken("refused", 1))
	})

	t.Run("stale token", func(t *testing.T) { checkStale(t, gateway, tokens) })
}

// lastCallAfter is when, at the latest, the first call after an outage is made that
// follows a backoff from its begin.
func lastCallAfter(outage, first time.Duration) time.Duration {
	at, wait := time.Duration(0), first
	for at <= outage {
		at += wait
		wait = min(2*wait, 30*time.Second)
	}
	return at + at/5
}

// checkOutage checks the requests of one host, in the order in which they were sent.
func checkOutage(t *testing.T, host string, want outage, results []harness.Result, callLimit time.Duration) {
	t.Helper()
	recovered := time.Now()
	for _, result := range results {
		if result.Status == http.StatusOK && result.Token() == harness.IssuedToken(host, 1) && result.AnsweredAt.Before(recovered) {
			recovered = result.AnsweredAt
		}
	}
	var denied []time.Duration
	for _, result := range results {
		if result.Status == http.StatusOK && result.Token() == harness.IssuedToken(host, 1) {
			continue
		}
		got := outage{result.Status, result.Body, result.Header.Get("Content-Type")}
		if got.status == http.StatusOK {
			got.body = result.Token() // of the forged one nothing must be left
		}
		if got != want || result.Err != nil {
			t.Fatalf("%s: answered %+v (%v), want %+v", host, got, result.Err, want)
		}
		if result.SentAt.After(recovered) {
			t.Fatalf("%s: a request had no token after one that had", host)
		}
		denied = append(denied, result.Took())
	}
	if len(denied) == 0 || len(denied) == len(results) {
		t.Fatalf("%s: %d of %d requests had no token", host, len(denied), len(results))
	}
	slices.Sort(denied)
	// Had they waited for anything, it would have been for a call or the next try.
	if median, longest := denied[len(denied)/2], denied[len(denied)-1]; median > 100*time.Millisecond || longest > callLimit/2 {
		t.Errorf("%s: requests without a token were answered in %s, the last one in %s; want at once", host, median, longest)
	}
}

// checkStale checks that an expired token serves as long as it may and no longer.
func checkStale(t *testing.T, gateway *harness.Gateway, tokens *harness.TokenIssuer) {
	const lifetime, staleFor = time.Second, 2 * time.Second
	gateway.Token.Handle(tokens.Answer(lifetime.Seconds()))
	before := gateway.SettledCounters(t, harness.Counters{"stale_served": 0})
	first := gateway.Ask(t, "stale")
	first.CheckToken(t, harness.IssuedToken("stale", 1))
	gateway.Token.Handle(harness.Status(http.StatusInternalServerError))
	issued, _ := tokens.Of(first.Token())
	// The plugin counts from some time between the issue and the first answer.
	surelyExpired, surelyValid := first.AnsweredAt.Add(lifetime), issued.At.Add(lifetime)
	surelyOver, surelyStale := surelyExpired.Add(staleFor), surelyValid.Add(staleFor)

	leastStale, mostStale, denied := 0, 0, 0
	for time.Now().Before(surelyOver.Add(500 * time.Millisecond)) {
		result := gateway.Ask(t, "stale")
		switch {
		case result.Status == http.StatusOK && result.Token() == first.Token() && result.SentAt.Before(surelyOver):
			if result.SentAt.After(surelyExpired) {
				leastStale++
			}
			if result.AnsweredAt.After(surelyValid) {
				mostStale++
			}
		case result.Status == http.StatusInternalServerError && result.AnsweredAt.After(surelyStale):
			denied++
		default:
			t.Fatalf("%s after the issue, a request was answered %d with the token %q (%v)",
				result.SentAt.Sub(issued.At), result.Status, result.Token(), result.Err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if leastStale == 0 || denied == 0 {
		t.Errorf("%d requests had the stale token, and %d later none", leastStale, denied)
	}
	after := gateway.SettledCounters(t, harness.Counters{"stale_served": 0})
	if served := after["stale_served"] - before["stale_served"]; served < leastStale || served > mostStale {
		t.Errorf("stale_served grew by %d, want %d to %d", served, leastStale, mostStale)
	}
	harness.CheckBackoff(t, gateway.Token.CallsOf("stale")[1:], 200*time.Millisecond, 500*time.Millisecond)
}
