package e2e_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestLeavingClients(t *testing.T) {
	const maxWaiting = 101
	configs := cachedHosts(append(numbered("http1", 3), numbered("http2", 3)...), map[string]any{"maxWaiting": maxWaiting})
	for host, config := range cachedHosts([]string{"all-answer", "all-hang"}, map[string]any{"maxWaiting": 3, "backoff": 50}) {
		configs[host] = merged(config, map[string]any{"timeout": 1000})
	}
	gateway := startCached(t, harness.Options{Config: byHost(configs)})
	tokens := &mint{}

	for _, protocol := range []struct {
		name   string
		client *http.Client
	}{
		{"http1", gateway.Client()},      // a client that leaves closes its connection
		{"http2", gateway.HTTP2Client()}, // a client that leaves resets its stream
	} {
		t.Run(protocol.name, func(t *testing.T) {
			atBest(t, "from the answer to the last request's", 300*time.Millisecond, numbered(protocol.name, 3), func(host string) time.Duration {
				return leaveAndCome(t, gateway, tokens, protocol.client, host, maxWaiting)
			})
		})
	}

	for name, answer := range map[string]http.HandlerFunc{"all-answer": tokens.answer(300), "all-hang": harness.Hang()} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			gateway.Token.Handle(harness.Hold(release, answer))
			before := gateway.Counter(t, "call_failures")
			leavers := newLeavers(t, gateway, gateway.Client(), name, 3)
			waitCallsOf(t, gateway, name, 1)
			waitActive(t, gateway, 3)
			leavers.leave()
			waitActive(t, gateway, 0)
			close(release)
			wantCalls := 1
			if name == "all-hang" {
				wantCalls = 2
				gateway.WaitCounter(t, "call_failures", before+1)
				gateway.Token.Handle(tokens.answer(300))
			}
			result := getWhenPossible(t, gateway, name)
			result.checkToken(t, mintedToken(name, 1))
			checkCalls(t, gateway, name, wantCalls)
		})
	}
}

// leaveAndCome has the request that started a call leave, then half of those that
// wait, and new ones come in their places. It returns how long after the call's
// end the last of them was answered.
func leaveAndCome(t *testing.T, gateway *harness.Gateway, tokens *mint, client *http.Client, host string, maxWaiting int) time.Duration {
	t.Helper()
	want := counters{"calls": 1, "denied": 2, "cache_misses": 154, "coalesced": 151}
	before := settledCounters(t, gateway, want)
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))

	starter := newLeavers(t, gateway, client, host, 1)
	waitActive(t, gateway, 1)
	others := sendParallel(client, requestsFor(t, gateway, host, maxWaiting-1-50)...)
	leavers := newLeavers(t, gateway, client, host, 50)
	waitActive(t, gateway, maxWaiting)
	checkTooMany(t, gateway, client, host)

	starter.leave()
	waitActive(t, gateway, maxWaiting-1)
	leavers.leave()
	waitActive(t, gateway, maxWaiting-51)
	latecomers := sendParallel(client, requestsFor(t, gateway, host, 51)...)
	waitActive(t, gateway, maxWaiting)
	checkTooMany(t, gateway, client, host)

	released := time.Now()
	close(release)
	results := append(others.wait(), latecomers.wait()...)
	for _, result := range results {
		if result.checkToken(t, mintedToken(host, 1)); t.Failed() {
			break
		}
	}
	checkCalls(t, gateway, host, 1)
	waitGrown(t, gateway, before, want)
	return lastAnswer(results).Sub(released)
}

// checkTooMany checks that a request may not wait as well. Were it to wait, it
// would be there until the call's end, which comes only after this check.
func checkTooMany(t *testing.T, gateway *harness.Gateway, client *http.Client, host string) {
	t.Helper()
	request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if result := sendTimed(client, request.WithContext(ctx)); result.Status != http.StatusInternalServerError || result.Body != "http call failed" {
		t.Errorf("one request too many was answered %d %q (%v), want 500 %q", result.Status, result.Body, result.err, "http call failed")
	}
}

// leavers are requests whose clients go away before they are answered.
type leavers struct {
	requests *parallel
	leave    context.CancelFunc
}

func newLeavers(t *testing.T, gateway *harness.Gateway, client *http.Client, host string, count int) *leavers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	requests := requestsFor(t, gateway, host, count)
	for i, request := range requests {
		requests[i] = request.WithContext(ctx)
	}
	return &leavers{sendParallel(client, requests...), cancel}
}

// getWhenPossible asks until the backoff of an earlier failure is over.
func getWhenPossible(t *testing.T, gateway *harness.Gateway, host string) timed {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		result := get(t, gateway, host)
		if result.Status == http.StatusOK || result.err != nil || time.Now().After(deadline) {
			return result
		}
	}
}
