package workers_test

import (
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestUpdates changes the configuration of a gateway with several workers. Only a token that still is what the
// configuration asks for may outlast that.
func TestUpdates(t *testing.T) {
	t.Parallel()
	config := harness.CachedConfigs([]string{"first"}, map[string]any{})["first"]
	gateway := harness.StartTraced(t, harness.Options{Config: config, Workers: workers, Drain: 2 * time.Second})
	tokens := &harness.TokenIssuer{}
	gateway.Token.Handle(tokens.Answer(300))
	current := checkAllWorkers(t, gateway)

	for _, step := range []struct {
		name   string
		change map[string]any
		keeps  bool // the token
	}{
		{"failure, timeout and what happens after failures", map[string]any{
			"failure": map[string]any{"body": "other"},
			"timeout": 30_000,
			"cache":   map[string]any{"staleIfError": 5, "backoff": 100, "maxWaiting": 50},
		}, true},
		{"requestPath", map[string]any{"requestPath": "/second"}, false},
		{"credential", map[string]any{"requestHeaders": map[string]string{"X-Credential": harness.SecretMark + "-rotated"}}, false},
	} {
		t.Run(step.name, func(t *testing.T) {
			calls := len(gateway.Token.Calls())
			config = harness.Merge(config, step.change)
			gateway.Update(t, config)
			next := checkAllWorkers(t, gateway)
			if kept := next == current; kept != step.keeps {
				t.Errorf("the tokens before and after are %q and %q; kept should be %t", current, next, step.keeps)
			}
			wantCalls := calls + 1
			if step.keeps {
				wantCalls = calls
			}
			if got := len(gateway.Token.Calls()); got != wantCalls {
				t.Errorf("%d token calls, want %d", got, wantCalls)
			}
			current = next
		})
	}

}

// checkAllWorkers checks that all workers have the same token, and returns it.
func checkAllWorkers(t *testing.T, gateway *harness.Gateway) string {
	t.Helper()
	token := gateway.Ask(t, "any").Token()
	for _, client := range gateway.WorkerClients(t) {
		for range 2 {
			gateway.AskBy(t, client, "any").CheckToken(t, token)
		}
	}
	return token
}
