package e2e_test

import (
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// TestLongRequests has requests wait while thousands of others pass, so that the ids of all
// of them end in the same bits: each must still be found, and no other one for it.
func TestLongRequests(t *testing.T) {
	const others = 2500 // more than twice the slots of openRequests
	gateway := startCached(t, harness.Options{Config: byHost(cachedHosts([]string{"held", "free"}, map[string]any{})), WasmLog: "warn"})
	tokens := &mint{}
	gateway.Token.Handle(tokens.answer(300))
	get(t, gateway, "free").checkToken(t, mintedToken("free", 1))

	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))
	pass := func() {
		inTurn(gateway, 0, others, func(int) { get(t, gateway, "free").checkToken(t, mintedToken("free", 1)) })
	}
	first := sendParallel(gateway.Client(), requestsFor(t, gateway, "held", 20)...)
	waitActive(t, gateway, 20)
	pass()
	leavers := newLeavers(t, gateway, gateway.Client(), "held", 20)
	waitActive(t, gateway, 40)
	pass()
	second := sendParallel(gateway.Client(), requestsFor(t, gateway, "held", 20)...)
	waitActive(t, gateway, 60)
	leavers.leave()
	waitActive(t, gateway, 40)
	pass()
	close(release)
	for _, result := range append(first.wait(), second.wait()...) {
		if result.Status != http.StatusOK || result.token() != mintedToken("held", 1) {
			t.Errorf("answered %d with the token %q (%v)", result.Status, result.token(), result.err)
		}
	}
	waitActive(t, gateway, 0)
	pass()
}
