// Package caching_test tests the cache of one worker in a real Envoy: what a client that leaves costs others, and which statuses of
// the upstream drop a token. The logic of the cache is tested in internal/cache, that requests share calls in e2e/load.
package caching_test

import (
	"context"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// Clients that disconnect cost no other client its token: over HTTP/1.1 they close their connections, over HTTP/2 they reset
// streams. The waiting requests are tested in internal/cache; this test checks that Envoy notifies the plugin.
func TestLeavingClients(t *testing.T) {
	t.Parallel()
	const maxWaiting = 101
	configs := harness.CachedConfigs([]string{"http1", "http2", "all"}, map[string]any{"maxWaiting": maxWaiting})
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	tokens := &harness.TokenIssuer{}
	hold := func() (release chan struct{}) {
		release = make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
		return release
	}
	// waiting are so many requests more, which leave when they are told to.
	waiting := func(client *http.Client, host string, count, active int) (*harness.Parallel, context.CancelFunc) {
		ctx, leave := context.WithCancel(t.Context())
		t.Cleanup(leave)
		requests := gateway.Requests(t, host, count)
		for i, request := range requests {
			requests[i] = request.WithContext(ctx)
		}
		parallel := harness.SendParallel(client, requests...)
		gateway.WaitActive(t, active)
		return parallel, leave
	}

	for host, client := range map[string]*http.Client{"http1": gateway.Client(), "http2": gateway.HTTP2Client()} {
		t.Run(host, func(t *testing.T) {
			want := harness.Counters{"calls": 1, "denied": 2, "cache_misses": 154, "coalesced": 151}
			before, release := gateway.SettledCounters(t, want), hold()
			tooMany := func() { // were it to wait, it would do so until the call's end, which comes later
				if result := gateway.AskBy(t, client, host); result.Status != http.StatusInternalServerError || result.Body != "http call failed" {
					t.Errorf("one request too many was answered %d %q (%v), want 500", result.Status, result.Body, result.Err)
				}
			}
			_, starterLeaves := waiting(client, host, 1, 1)
			others, _ := waiting(client, host, 50, 51)
			_, leave := waiting(client, host, 50, maxWaiting)
			tooMany()
			starterLeaves()
			gateway.WaitActive(t, maxWaiting-1)
			leave()
			gateway.WaitActive(t, maxWaiting-51)
			latecomers, _ := waiting(client, host, 51, maxWaiting)
			tooMany()
			close(release)
			for _, result := range append(others.Wait(), latecomers.Wait()...) {
				result.CheckToken(t, harness.IssuedToken(host, 1))
			}
			gateway.Token.CheckCallsOf(t, host, 1)
			gateway.WaitGrowth(t, before, want)
		})
	}
	t.Run("all", func(t *testing.T) {
		release := hold()
		_, leave := waiting(gateway.Client(), "all", 3, 3)
		leave()
		gateway.WaitActive(t, 0)
		close(release)
		gateway.Ask(t, "all").CheckToken(t, harness.IssuedToken("all", 1))
		gateway.Token.CheckCallsOf(t, "all", 1)
	})
}
