package caching_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestRenewalsAreSpread fetches many tokens at the same moment: those of callers, and those of
// rules, which stand for as many gateways that have started together. Half of each are used
// all the time.
func TestRenewalsAreSpread(t *testing.T) {
	t.Parallel()
	const (
		lifetime      = 14 * time.Second
		refreshBefore = 10 * time.Second
		count         = 40               // of each kind
		late          = time.Second      // of a busy machine
		first         = 2 * time.Second  // when the earliest renewal is due: lifetime - 1.2 * refreshBefore
		last          = 4 * time.Second  // when the latest one is
		again         = 6 * time.Second  // when the others are used once more
		end           = 13 * time.Second // when nothing more can come of that, short of their end
	)
	cache := map[string]any{"refreshBefore": refreshBefore.Seconds()}
	rules := harness.Numbered("rule", count)
	configs := harness.CachedConfigs(append([]string{"callers"}, rules...), cache)
	configs["callers"]["forwardHeaders"] = []string{"X-User"}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), WasmLog: "warn"})
	tokens := &harness.TokenIssuer{}
	gateway.Token.Handle(tokens.Answer(lifetime.Seconds()))

	var all []tokenUser
	for i, name := range rules {
		all = append(all,
			tokenUser{host: name, steady: i%2 == 0},
			tokenUser{host: "callers", caller: fmt.Sprintf("s3cr3t-%d", i), steady: i%2 == 0})
	}
	start := time.Now()
	useAll(t, gateway, all)
	fetched := time.Since(start)
	gateway.Token.Handle(tokens.Answer(300)) // the renewed ones stay
	for time.Since(start) < again {
		time.Sleep(100 * time.Millisecond)
		useAll(t, gateway, slices.DeleteFunc(slices.Clone(all), func(u tokenUser) bool { return !u.steady }))
	}

	gaps := checkRenewals(t, gateway, all, first-50*time.Millisecond, last+late)
	slices.Sort(gaps)
	if len(gaps) == 0 {
		t.Fatal("no token was renewed")
	}
	t.Logf("%d tokens fetched within %s were renewed after: %s at first, %s at the median, %s at last",
		len(gaps), fetched, gaps[0], gaps[len(gaps)/2], gaps[len(gaps)-1])
	// Of as many at random over two seconds, this holds but for once in a million times.
	if middle := gaps[len(gaps)*3/4] - gaps[len(gaps)/4]; middle < 400*time.Millisecond {
		t.Errorf("half of the renewals came within %s, want them spread over %s", middle, last-first)
	}

	// Used once more, in the second half of their lives, the others are renewed too.
	useAll(t, gateway, all)
	harness.Eventually(t, time.Until(start.Add(end)), func() error {
		left := 0
		for _, user := range all {
			if len(user.calls(gateway)) < 2 {
				left++
			}
		}
		if left != 0 {
			return fmt.Errorf("%d tokens that were used again in the second half of their lives were not renewed", left)
		}
		return nil
	})
	gateway.WaitCounter(t, "cache_misses", len(all))
}

// checkRenewals checks that only the tokens in use were renewed, and when: it returns how long
// after their calls.
func checkRenewals(t *testing.T, gateway *harness.Gateway, users []tokenUser, least, most time.Duration) (gaps []time.Duration) {
	t.Helper()
	unneeded, missing, untimely := 0, 0, 0
	for _, user := range users {
		calls := user.calls(gateway)
		switch {
		case !user.steady && len(calls) > 1:
			unneeded++
		case !user.steady:
		case len(calls) != 2:
			missing++
		default:
			gap := calls[1].Time.Sub(calls[0].Time)
			gaps = append(gaps, gap)
			if gap < least || gap > most {
				untimely++
			}
		}
	}
	if unneeded+missing+untimely > 0 {
		t.Errorf("%d tokens that were used once were renewed, %d of those in use not once; %d not from %s to %s after the call",
			unneeded, missing, untimely, least, most)
	}
	return gaps
}

// tokenUser is one that needs a token of its own.
type tokenUser struct {
	host, caller string
	steady       bool // uses it all the time
}

func (u tokenUser) calls(gateway *harness.Gateway) []harness.Call {
	return slices.DeleteFunc(gateway.Token.CallsOf(u.host), func(call harness.Call) bool { return call.Header.Get("X-User") != u.caller })
}

// useAll has each send a request.
func useAll(t *testing.T, gateway *harness.Gateway, users []tokenUser) {
	t.Helper()
	var requests []*http.Request
	for _, user := range users {
		request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+user.host)
		if user.caller != "" {
			request.Header.Set("X-User", user.caller)
		}
		requests = append(requests, request)
	}
	for i, result := range harness.SendParallel(gateway.Client(), requests...).Wait() {
		if result.Status != http.StatusOK || result.Token() == "" {
			t.Errorf("%v: answered %d with the token %q (%v)", users[i], result.Status, result.Token(), result.Err)
		}
	}
}
