package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// TestJSONInText has a path look into JSON that stands in a text, which is nested as deep as the token
// service likes: brackets in a text do not count.
func TestJSONInText(t *testing.T) {
	paths := map[string]string{
		"fromstr":         `payload|@fromstr|token`,
		"fromstr, valid":  `payload|@fromstr|@valid|token`,
		"fromstr, pretty": `payload|@fromstr|@pretty|token`,
		"fromstr twice":   `payload|@fromstr|@fromstr`,
		"fromstr, dig":    `payload|@fromstr|@dig:token|0`,
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(map[string]any{"tokenPath": path})})
			gateway.Token.Handle(harness.JSON(200, `{"payload":`+jsonText(`{"token":"t","x":`+nestedLists(100_000, "")+`}`)+`}`))
			first := getTimed(t, gateway, "a.com")
			gateway.Token.Handle(harness.JSON(200, `{"payload":`+jsonText(`{"token":"t"}`)+`}`))
			second := getTimed(t, gateway, "a.com")
			if second.Status != http.StatusOK {
				t.Errorf("got %d %q (%v), then %d %q (%v): the VM is dead", first.Status, first.Body, first.Err, second.Status, second.Body, second.Err)
			}
		})
	}
}

// TestForwardedHeaders has callers of a few bytes each, whose requests bring 50 kB that are not forwarded.
func TestForwardedHeaders(t *testing.T) {
	const allowedKB = 250_000
	callers := harness.Amount(t, "E2E_CALLERS", 8_000, 8_000)
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Config: harness.PlainConfig(map[string]any{
		"forwardHeaders": []string{"X-User"}, "cache": map[string]any{"maxEntries": 100_000},
	})})
	gateway.Token.Handle(harness.HeaderToken("X-Token", "t"))
	cookie := "Cookie: " + strings.Repeat("c", 50_000)
	before := gateway.MemoryKB(t)
	gateway.InTurn(0, callers, func(i int) {
		if t.Failed() {
			return
		}
		answer, err := harness.Send(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", fmt.Sprint("X-User: ", i), cookie))
		if err != nil || answer.Status != http.StatusOK {
			t.Errorf("caller %d: got %d %q (%v); memory grew from %d kB to %d kB", i, answer.Status, answer.Body, err, before, gateway.MemoryKB(t))
		}
	})
	grownKB := gateway.MemoryKB(t) - before
	t.Logf("memory grew from %d kB by %d kB after %d callers", before, grownKB, callers)
	if grownKB > allowedKB {
		t.Errorf("memory grew by %d kB, want at most %d", grownKB, allowedKB)
	}
}
