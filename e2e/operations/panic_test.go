// Package operations_test tests what an operator sees and does: logs and metrics, which contain no secret, and how the gateway
// stops, the plugin panics and a VM dies.
package operations_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"token-fetch/e2e/harness"
)

// faultyConfigs leave the host "other" alone, whose requests show that the VM lives. That of cache-allow shares nothing:
// a VM that dies with a call under way leaves its lease behind, for which the next one would wait (TestWorkerThatDies).
var faultyConfigs = map[string]map[string]any{
	"plain":        harness.PlainConfig(nil),
	"allow":        harness.PlainConfig(map[string]any{"failure": harness.Allow}),
	"cache":        harness.PlainConfig(map[string]any{"cache": map[string]any{}}),
	"cache-allow":  harness.PlainConfig(map[string]any{"cache": map[string]any{"backoff": 1, "staleIfError": 100, "shared": false}, "failure": harness.Allow}),
	"caller":       harness.PlainConfig(map[string]any{"cache": map[string]any{"backoff": 1}, "failure": harness.Allow, "forwardHeaders": []string{"X-User"}}),
	"no-overwrite": harness.PlainConfig(map[string]any{"overwrite": false, "failure": harness.Allow, "upstreamHeaders": map[string]any{"X-User": "header:X-User"}}),
}

func TestPanics(t *testing.T) {
	t.Parallel()
	wasm := harness.WasmWithFaults(t)
	start := func(t *testing.T, fault string) *harness.Gateway {
		t.Helper()
		return harness.Start(t, harness.Options{Config: harness.ByHost(faultyConfigs), Wasm: wasm, Env: map[string]string{"FAULT": fault}})
	}
	t.Run("request", func(t *testing.T) {
		t.Parallel()
		gateway := start(t, "request")
		for _, host := range slices.Sorted(maps.Keys(faultyConfigs)) {
			t.Run(host, func(t *testing.T) {
				for range 3 {
					checkPanicked(t, gateway, gateway.Post(t, "/", "body", "Host: "+host, "X-Token: forged"))
				}
			})
		}
		if calls := gateway.Token.Calls(); len(calls) != 0 {
			t.Errorf("the token service was called %d times", len(calls))
		}
	})
	t.Run("answer", func(t *testing.T) {
		t.Parallel()
		gateway := start(t, "answer")
		for _, host := range slices.Sorted(maps.Keys(faultyConfigs)) {
			t.Run(host, func(t *testing.T) {
				checkPanickedTogether(t, gateway, host)
				checkPanicked(t, gateway, gateway.Get(t, "/", "Host: "+host))
			})
		}
	})
}

// checkPanickedTogether has several requests wait for one call, or for one each.
func checkPanickedTogether(t *testing.T, gateway *harness.Gateway, host string) {
	const requests = 20
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.HeaderToken("X-Token", "token-1")))
	gateway.Token.Forget()
	var all []*http.Request
	for range requests {
		all = append(all, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+host))
	}
	answers := harness.SendParallel(gateway.Client(), all...)
	gateway.Token.WaitCalls(t, 1)
	gateway.WaitActive(t, requests)
	close(release)
	for _, result := range answers.Wait() {
		checkPanicked(t, gateway, result.Answer)
	}
}

// checkPanicked checks the answer to a request that made the plugin panic, and that
// the VM lives: with a dead one, no request would pass.
func checkPanicked(t *testing.T, gateway *harness.Gateway, answer harness.Answer) {
	t.Helper()
	harness.CheckStatus(t, answer, 500)
	gateway.Upstream.CheckNotReached(t)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: other"), 200)
	gateway.Upstream.Forget()
}
