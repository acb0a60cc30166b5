package e2e_test

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
		_ = r.ParseForm()
		if strings.HasPrefix(r.PostForm.Get("subject_token"), "good") {
			exchanged(w, r)
			return
		}
		refusal(w, r)
	}
}

// startExchanging starts a gateway for tests of what it keeps of callers.
func startExchanging(t *testing.T, cache map[string]any) *harness.Gateway {
	t.Helper()
	config := harness.OAuth2Config("/exchange", harness.Exchange, map[string]any{"cache": harness.Merge(map[string]any{"backoff": 30_000}, cache)})
	return harness.Start(t, harness.Options{Config: config, WasmLog: "warn"})
}

func askSubject(t *testing.T, gateway *harness.Gateway, subject string) harness.Answer {
	t.Helper()
	answer, err := harness.Send(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", "Authorization: Bearer "+subject))
	if err != nil {
		t.Errorf("a request failed: %v", err)
	}
	return answer
}

// TestRefusedCallersTakeNoPlace has clients without a good token send many bad ones. Those of
// the others must stay, also when there are more bad ones than places.
func TestRefusedCallersTakeNoPlace(t *testing.T) {
	t.Parallel()
	gateway := startExchanging(t, map[string]any{"maxEntries": 50})
	gateway.Token.Handle(exchangeGood("exchanged"))
	harness.CheckStatus(t, askSubject(t, gateway, "good"), 200)
	for _, refused := range []int{1, 49, 50, 60, 5_000} {
		t.Run(fmt.Sprint(refused), func(t *testing.T) {
			for i := range refused {
				if askSubject(t, gateway, fmt.Sprintf("bad-%d-of-%d", i, refused)).Status == http.StatusOK {
					t.Fatal("a bad token was exchanged")
				}
			}
			gateway.Token.Forget()
			harness.CheckStatus(t, askSubject(t, gateway, "good"), 200)
			if calls := len(gateway.Token.Calls()); calls != 0 {
				t.Errorf("%d exchanges for the good caller after %d refused ones, want none", calls, refused)
			}
		})
	}
	t.Run("good callers do", func(t *testing.T) {
		gateway := startExchanging(t, map[string]any{"maxEntries": 50, "shared": false}) // else it would be found there
		gateway.Token.Handle(exchangeGood("exchanged"))
		harness.CheckStatus(t, askSubject(t, gateway, "good"), 200)
		for i := range 50 {
			harness.CheckStatus(t, askSubject(t, gateway, fmt.Sprint("good-", i)), 200)
		}
		gateway.Token.Forget()
		harness.CheckStatus(t, askSubject(t, gateway, "good"), 200)
		gateway.Token.WaitCalls(t, 1)
	})
}

// TestRefusedCallersNeedNoMemory has 6,000 of them, or as many as E2E_CALLERS says, with large tokens.
func TestRefusedCallersNeedNoMemory(t *testing.T) {
	const first, allowedKB = 1000, 24_000 // the latter for garbage that is not collected yet
	callers := harness.Amount(t, "E2E_CALLERS", 6_000, 3_000)
	gateway := startExchanging(t, map[string]any{"maxEntries": 100_000})
	gateway.Token.Handle(exchangeGood("exchanged"))
	ask := func(i int) {
		if t.Failed() {
			return // one line of thousands is enough
		}
		if status := askSubject(t, gateway, fmt.Sprint("bad-", i, "-", largeText)).Status; status != http.StatusUnauthorized {
			t.Errorf("a refused caller was answered %d, want 401", status)
		}
	}
	gateway.InTurn(0, first, ask)
	before := gateway.MemoryKB(t)
	gateway.InTurn(first, callers, ask)
	grownKB := gateway.MemoryKB(t) - before
	t.Logf("memory grew from %d kB after %d refused callers by %d kB after %d", before, first, grownKB, callers)
	page.Tried(t, fmt.Sprintf("%d callers with tokens of 15 kB that are refused", callers), "401; remembers that they were refused, and nothing else",
		fmt.Sprintf("memory grew by %d kB after the first %d", grownKB, first))
	if grownKB > allowedKB {
		t.Errorf("memory grew by %d kB, want at most %d", grownKB, allowedKB)
	}
	gateway.WaitCounter(t, "calls", callers)
}

// TestCallersMemoryIsBounded has 12,000 callers, or as many as E2E_CALLERS says, each with a large
// token of its own and a large one for it: 360 MB, of which a worker may keep 64 MiB.
func TestCallersMemoryIsBounded(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprint("shared ", shared), func(t *testing.T) { checkCallersMemory(t, shared) })
	}
}

func checkCallersMemory(t *testing.T, shared bool) {
	const allowedKB = 250_000 // V8's memory does not shrink, and Go's collector lets it double
	callers := harness.Amount(t, "E2E_CALLERS", 12_000, 12_000)
	gateway := startExchanging(t, map[string]any{"maxEntries": 100_000, "shared": shared})
	gateway.Token.Handle(exchangeGood(largeText))
	subject := func(i int) string { return fmt.Sprint("good-", i, "-", largeText) }
	ask := func(i int) {
		if t.Failed() {
			return // one line of thousands is enough
		}
		if status := askSubject(t, gateway, subject(i)).Status; status != http.StatusOK {
			t.Errorf("a caller was answered %d, want 200", status)
		}
	}
	before := gateway.MemoryKB(t)
	gateway.InTurn(0, callers, ask)
	grownKB := gateway.MemoryKB(t) - before
	t.Logf("memory grew from %d kB by %d kB after %d callers", before, grownKB, callers)
	if grownKB > allowedKB {
		t.Errorf("memory grew by %d kB, want at most %d", grownKB, allowedKB)
	}
	gateway.WaitCounter(t, "calls", callers)

	// The bound is used: the latest are there, and only the old ones are exchanged again.
	const surelyKept = 1000 // of 30 kB each: half of the bound
	gateway.Token.Forget()
	for _, i := range []int{callers - 1, callers - surelyKept/2, callers - surelyKept} {
		ask(i)
	}
	if calls := len(gateway.Token.Calls()); calls != 0 {
		t.Errorf("%d of the latest callers were exchanged again, want none", calls)
	}
	if shared {
		return // the workers' common memory may have old ones, too
	}
	ask(0)
	ask(callers / 4)
	if calls := len(gateway.Token.Calls()); calls != 2 {
		t.Errorf("%d of the two oldest callers were exchanged again, want both", calls)
	}
}
