// Package caching_test is about the cache of one worker: for how long it keeps tokens, when it renews them, what it does while
// the token service fails, and who shares a call.
package caching_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// callerHeaders are what the tokens of these tests depend on.
var callerHeaders = []string{"X-User", "X-Tenant"}

// callerToken is the token of a caller with these headers.
func callerToken(header http.Header) string {
	hash := sha256.New()
	for _, name := range callerHeaders {
		fmt.Fprintf(hash, "%s %q;", name, header.Values(name))
	}
	return harness.SecretMark + "-" + hex.EncodeToString(hash.Sum(nil)[:8])
}

// answerCaller gives each caller a token of its own, by the headers that came
// with the token call.
func answerCaller(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", callerToken(r.Header))
}

// forwardingHosts are cachedHosts whose tokens depend on the caller.
func forwardingHosts(hosts []string, cache map[string]any) map[string]map[string]any {
	configs := harness.CachedConfigs(hosts, cache)
	for host := range configs {
		configs[host]["forwardHeaders"] = callerHeaders
	}
	return configs
}

func TestCallers(t *testing.T) {
	t.Parallel()
	configs := forwardingHosts([]string{"keys", "parallel"}, map[string]any{})
	// What a worker has dropped is not to be found in the common memory of all.
	maps.Copy(configs, forwardingHosts([]string{"few"}, map[string]any{"maxEntries": 3, "shared": false}))
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(answerCaller)

	t.Run("keys", func(t *testing.T) {
		callers := [][]string{
			{},
			{"X-User: s3cr3t-a"},
			{"X-User: S3cr3t-a"},
			{"X-User:"},
			{"X-User: s3cr3t-a", "X-Tenant:"},
			{"X-Tenant: s3cr3t-a"},
			{"X-User: s3cr3t-a", "X-Tenant: s3cr3t-b"},
			{"X-User: s3cr3t-b", "X-Tenant: s3cr3t-a"},
			{"X-User: s3cr3t-as3cr3t-b"},
			{"X-User: s3cr3t-a,s3cr3t-b"},
			{"X-User: s3cr3t-a, s3cr3t-b"},
			{"X-User: s3cr3t-a", "X-User: s3cr3t-b"},
			{"X-User: s3cr3t-b", "X-User: s3cr3t-a"},
			{"X-User: s3cr3t-a; X-Tenant: s3cr3t-b"},
			{"X-User: s3cr3t-ax-tenants3cr3t-b"},
			{"X-User: s3cr3t-a", "X-Tenant: s3cr3t-bx-user"},
			{`X-User: s3cr3t-a","x-tenant":"s3cr3t-b`},
			{"X-User: s3cr3t-a\tx-tenant\ts3cr3t-b"},
			{"X-User: " + strings.Repeat("s3cr3t-", 1000)},
			{"X-User: " + strings.Repeat("s3cr3t-", 1000) + "x"},
		}
		before := gateway.SettledCounters(t, harness.Counters{"calls": 0, "cache_hits": 0, "cache_misses": 0})
		for range 2 {
			for _, caller := range callers {
				request := gateway.Request(t, http.MethodGet, "/", "", append(caller, "Host: keys")...)
				harness.SendTimed(gateway.Client(), request).CheckToken(t, callerToken(request.Header))
			}
		}
		gateway.Token.CheckCallsOf(t, "keys", len(callers))
		gateway.WaitGrowth(t, before, harness.Counters{"calls": len(callers), "cache_hits": len(callers), "cache_misses": len(callers)})

		t.Run("of other headers", func(t *testing.T) {
			gateway.Ask(t, "keys", "X-User: s3cr3t-a", "X-Other: 1").CheckToken(t, callerToken(http.Header{"X-User": {"s3cr3t-a"}}))
			gateway.Token.CheckCallsOf(t, "keys", len(callers))
		})
	})

	t.Run("least recently used", func(t *testing.T) {
		calls := 0
		for _, step := range []struct {
			caller string
			call   bool
		}{
			{"a", true}, {"b", true}, {"c", true},
			{"a", false}, {"b", false}, {"c", false},
			{"a", false}, // b is now the one that was not used for longest
			{"d", true},
			{"a", false}, {"c", false}, {"d", false},
			{"b", true}, // and puts a out
			{"c", false}, {"d", false}, {"b", false},
			{"a", true},
		} {
			gateway.Ask(t, "few", "X-User: "+step.caller).CheckToken(t, callerToken(http.Header{"X-User": {step.caller}}))
			if step.call {
				calls++
			}
			if got := len(gateway.Token.CallsOf("few")); got != calls {
				t.Fatalf("%d token calls after caller %s, want %d", got, step.caller, calls)
			}
		}
	})

	// More callers than entries, all of them while their calls are under way.
	for _, host := range []string{"parallel", "few"} {
		t.Run("in parallel: "+host, func(t *testing.T) {
			const callers, each = 100, 5
			release := make(chan struct{})
			gateway.Token.Handle(harness.Hold(release, answerCaller))
			gateway.Token.Forget()
			var requests []*http.Request
			for i := range callers * each {
				requests = append(requests, gateway.Request(t, http.MethodGet, "/", "", "Host: "+host, fmt.Sprintf("X-User: s3cr3t-%d", i%callers)))
			}
			sent := harness.SendParallel(gateway.Client(), requests...)
			gateway.WaitActive(t, len(requests))
			close(release)
			for i, result := range sent.Wait() {
				result.CheckToken(t, callerToken(requests[i].Header))
			}
			gateway.Token.CheckCallsOf(t, host, callers)
		})
	}
	gateway.WaitCounter(t, "denied", 0)
}
