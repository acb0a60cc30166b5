package caching_test

import (
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// TestLongRequests has requests wait while thousands of others pass, so that the ids of all
// of them end in the same bits: each must still be found, and no other one for it.
func TestLongRequests(t *testing.T) {
	const others = 2500 // more than twice the slots of openRequests
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(harness.CachedConfigs([]string{"held", "free"}, map[string]any{})), WasmLog: "warn"})
	tokens := &harness.TokenIssuer{}
	gateway.Token.Handle(tokens.Answer(300))
	gateway.Ask(t, "free").CheckToken(t, harness.IssuedToken("free", 1))

	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
	pass := func() {
		gateway.InTurn(0, others, func(int) { gateway.Ask(t, "free").CheckToken(t, harness.IssuedToken("free", 1)) })
	}
	first := harness.SendParallel(gateway.Client(), gateway.Requests(t, "held", 20)...)
	gateway.WaitActive(t, 20)
	pass()
	leavers := newLeavers(t, gateway, gateway.Client(), "held", 20)
	gateway.WaitActive(t, 40)
	pass()
	second := harness.SendParallel(gateway.Client(), gateway.Requests(t, "held", 20)...)
	gateway.WaitActive(t, 60)
	leavers.leave()
	gateway.WaitActive(t, 40)
	pass()
	close(release)
	for _, result := range append(first.Wait(), second.Wait()...) {
		if result.Status != http.StatusOK || result.Token() != harness.IssuedToken("held", 1) {
			t.Errorf("answered %d with the token %q (%v)", result.Status, result.Token(), result.Err)
		}
	}
	gateway.WaitActive(t, 0)
	pass()
}
