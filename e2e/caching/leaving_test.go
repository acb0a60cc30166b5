package caching_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestLeavingClients(t *testing.T) {
	t.Parallel()
	const maxWaiting = 101
	configs := harness.CachedConfigs(append(harness.Numbered("http1", 3), harness.Numbered("http2", 3)...), map[string]any{"maxWaiting": maxWaiting})
	for host, config := range harness.CachedConfigs([]string{"all-answer", "all-hang"}, map[string]any{"maxWaiting": 3, "backoff": 50}) {
		configs[host] = harness.Merge(config, map[string]any{"timeout": 1000})
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	tokens := &harness.TokenIssuer{}

	for _, protocol := range []struct {
		name   string
		client *http.Client
	}{
		{"http1", gateway.Client()},      // a client that leaves closes its connection
		{"http2", gateway.HTTP2Client()}, // a client that leaves resets its stream
	} {
		t.Run(protocol.name, func(t *testing.T) {
			harness.AtBest(t, "from the answer to the last request's", 300*time.Millisecond, harness.Numbered(protocol.name, 3), func(host string) time.Duration {
				return leaveAndCome(t, gateway, tokens, protocol.client, host, maxWaiting)
			})
		})
	}

	for name, answer := range map[string]http.HandlerFunc{"all-answer": tokens.Answer(300), "all-hang": harness.Hang()} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			gateway.Token.Handle(harness.Hold(release, answer))
			before := gateway.Counter(t, "call_failures")
			leavers := newLeavers(t, gateway, gateway.Client(), name, 3)
			gateway.Token.WaitCallsOf(t, name, 1)
			gateway.WaitActive(t, 3)
			leavers.leave()
			gateway.WaitActive(t, 0)
			close(release)
			wantCalls := 1
			if name == "all-hang" {
				wantCalls = 2
				gateway.WaitCounter(t, "call_failures", before+1)
				gateway.Token.Handle(tokens.Answer(300))
			}
			result := getWhenPossible(t, gateway, name)
			result.CheckToken(t, harness.IssuedToken(name, 1))
			gateway.Token.CheckCallsOf(t, name, wantCalls)
		})
	}
}

// leaveAndCome has the request that started a call leave, then half of those that
// wait, and new ones come in their places. It returns how long after the call's
// end the last of them was answered.
func leaveAndCome(t *testing.T, gateway *harness.Gateway, tokens *harness.TokenIssuer, client *http.Client, host string, maxWaiting int) time.Duration {
	t.Helper()
	want := harness.Counters{"calls": 1, "denied": 2, "cache_misses": 154, "coalesced": 151}
	before := gateway.SettledCounters(t, want)
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))

	starter := newLeavers(t, gateway, client, host, 1)
	gateway.WaitActive(t, 1)
	others := harness.SendParallel(client, gateway.Requests(t, host, maxWaiting-1-50)...)
	leavers := newLeavers(t, gateway, client, host, 50)
	gateway.WaitActive(t, maxWaiting)
	checkTooMany(t, gateway, client, host)

	starter.leave()
	gateway.WaitActive(t, maxWaiting-1)
	leavers.leave()
	gateway.WaitActive(t, maxWaiting-51)
	latecomers := harness.SendParallel(client, gateway.Requests(t, host, 51)...)
	gateway.WaitActive(t, maxWaiting)
	checkTooMany(t, gateway, client, host)

	released := time.Now()
	close(release)
	results := append(others.Wait(), latecomers.Wait()...)
	for _, result := range results {
		if result.CheckToken(t, harness.IssuedToken(host, 1)); t.Failed() {
			break
		}
	}
	gateway.Token.CheckCallsOf(t, host, 1)
	gateway.WaitGrowth(t, before, want)
	return lastAnswer(results).Sub(released)
}

// checkTooMany checks that a request may not wait as well. Were it to wait, it
// would be there until the call's end, which comes only after this check.
func checkTooMany(t *testing.T, gateway *harness.Gateway, client *http.Client, host string) {
	t.Helper()
	request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	if result := harness.SendTimed(client, request.WithContext(ctx)); result.Status != http.StatusInternalServerError || result.Body != "http call failed" {
		t.Errorf("one request too many was answered %d %q (%v), want 500 %q", result.Status, result.Body, result.Err, "http call failed")
	}
}

// leavers are requests whose clients go away before they are answered.
type leavers struct {
	requests *harness.Parallel
	leave    context.CancelFunc
}

func newLeavers(t *testing.T, gateway *harness.Gateway, client *http.Client, host string, count int) *leavers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	requests := gateway.Requests(t, host, count)
	for i, request := range requests {
		requests[i] = request.WithContext(ctx)
	}
	return &leavers{harness.SendParallel(client, requests...), cancel}
}

// getWhenPossible asks until the backoff of an earlier failure is over.
func getWhenPossible(t *testing.T, gateway *harness.Gateway, host string) (result harness.Result) {
	t.Helper()
	harness.Eventually(t, harness.Limit, func() error {
		if result = gateway.Ask(t, host); result.Status != http.StatusOK {
			return fmt.Errorf("%s is answered %d %q (%v)", host, result.Status, result.Body, result.Err)
		}
		return nil
	})
	return result
}
