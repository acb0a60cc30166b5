package workers_test

import (
	"net/http"
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

	t.Run("with a call under way", func(t *testing.T) {
		gateway.Update(t, harness.Merge(config, map[string]any{"requestPath": "/third"}))
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
		before := harness.SendParallel(gateway.Client(), gateway.Requests(t, "old", 1)...)
		gateway.Token.WaitCallsOf(t, "third", 1)
		gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{"fourth": tokens.Answer(300)}, harness.Status(http.StatusTeapot)))
		// The old call ends while both configurations are there.
		go func() {
			for len(gateway.Token.CallsOf("fourth")) == 0 && t.Context().Err() == nil {
				knock(gateway)
			}
			close(release)
		}()
		gateway.Update(t, harness.Merge(config, map[string]any{"requestPath": "/fourth"}))
		before.Wait()[0].CheckToken(t, harness.IssuedToken("third", 1))
		if after := checkAllWorkers(t, gateway); after != harness.IssuedToken("fourth", 1) {
			t.Errorf("after the update the token is %q, want %q", after, harness.IssuedToken("fourth", 1))
		}
	})
}

// knock sends a request on a connection of its own, and leaves when the old
// configuration has taken it.
func knock(gateway *harness.Gateway) {
	client := &http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if response, err := client.Get(gateway.URL); err == nil {
		response.Body.Close()
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
