// Package memory_test measures Envoy's memory under thousands of callers.
package memory_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// largeText fills a token to 15 kB, nearly as much as one may have.
var largeText = strings.Repeat("x", 15_000)

// exchangeGood exchanges the tokens whose subject begins with good, and refuses all others.
func exchangeGood(token string) http.HandlerFunc {
	exchanged, refusal := harness.JSON(200, map[string]any{"access_token": token, "expires_in": 3600}), harness.Refusal(400, "invalid_grant")
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(harness.CallerOf(r), "good") {
			exchanged(w, r)
			return
		}
		refusal(w, r)
	}
}

// exchanging is a configuration for tests of what a gateway keeps of callers.
func exchanging(cache map[string]any) map[string]any {
	return harness.OAuth2Config("/exchange", harness.Exchange, map[string]any{"cache": harness.Merge(map[string]any{"backoff": 30_000}, cache)})
}

func askSubject(t *testing.T, gateway *harness.Gateway, host, subject string, headers ...string) harness.Result {
	t.Helper()
	result := gateway.Ask(t, host, append(headers, "Authorization: Bearer "+subject)...)
	if result.Err != nil {
		t.Errorf("a request failed: %v", result.Err)
	}
	return result
}

// TestRefusedCallersNeedNoMemory has 6,000 of them, or as many as E2E_CALLERS says, with large tokens.
func TestRefusedCallersNeedNoMemory(t *testing.T) {
	t.Parallel()
	const first, allowedKB = 1000, 24_000 // the latter for garbage that is not collected yet
	callers := harness.Amount(t, "E2E_CALLERS", 6_000, 3_000)
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Config: exchanging(map[string]any{"maxEntries": 100_000})})
	gateway.Token.Handle(exchangeGood("exchanged"))
	ask := asking(t, gateway, http.StatusUnauthorized, "bad")
	gateway.InTurn(0, first, ask)
	before := gateway.MemoryKB(t)
	gateway.InTurn(first, callers, ask)
	grownKB := gateway.MemoryKB(t) - before
	t.Logf("memory grew from %d kB after %d refused callers by %d kB after %d", before, first, grownKB, callers)
	page.Tried(t, fmt.Sprintf("%d callers with tokens of 15 kB that are refused", callers), "401; stores only that they were refused",
		fmt.Sprintf("memory grew by %d kB after the first %d", grownKB, first))
	if grownKB > allowedKB {
		t.Errorf("memory grew by %d kB, want at most %d", grownKB, allowedKB)
	}
	gateway.WaitCounter(t, "calls", callers)
}

// TestCallersMemoryIsBounded sends requests from 12,000 callers, or E2E_CALLERS, each with a large token that is exchanged
// for another large one, 360 MB in all. A worker may keep 64 MiB of them, and shared data holds less. Nothing else of a request
// is kept.
func TestCallersMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const allowedKB = 250_000 // V8's memory does not shrink, and Go's collector lets it double
	callers := harness.Amount(t, "E2E_CALLERS", 12_000, 12_000)
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Config: exchanging(map[string]any{"maxEntries": 100_000})})
	gateway.Token.Handle(exchangeGood(largeText))
	ask := asking(t, gateway, http.StatusOK, "good", "Cookie: "+largeText)
	before := gateway.MemoryKB(t)
	gateway.InTurn(0, callers, ask)
	grownKB := gateway.MemoryKB(t) - before
	t.Logf("memory grew from %d kB by %d kB after %d callers", before, grownKB, callers)
	if grownKB > allowedKB {
		t.Errorf("memory grew by %d kB, want at most %d", grownKB, allowedKB)
	}
	gateway.WaitCounter(t, "calls", callers)

	// The bound is used: the latest are there.
	const surelyKept = 1000 // of 30 kB each: half of the bound
	gateway.Token.Forget()
	for _, i := range []int{callers - 1, callers - surelyKept/2, callers - surelyKept} {
		ask(i)
	}
	if calls := len(gateway.Token.Calls()); calls != 0 {
		t.Errorf("%d of the latest callers were exchanged again, want none", calls)
	}
}

// asking returns what sends the request of caller i, who has a large token of that name, and expects a status.
func asking(t *testing.T, gateway *harness.Gateway, want int, name string, headers ...string) func(i int) {
	return func(i int) {
		if t.Failed() {
			return // one line of thousands is enough
		}
		if got := askSubject(t, gateway, "any", fmt.Sprint(name, "-", i, "-", largeText), headers...).Status; got != want {
			t.Errorf("caller %d was answered %d, want %d", i, got, want)
		}
	}
}
