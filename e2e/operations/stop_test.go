package operations_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// stopLimit bounds how long Envoy may take to end, requests that wait or not.
const stopLimit = 3 * time.Second

// TestStopped ends Envoy while requests wait for their tokens. They are cut, as Envoy does with
// any request; what it must not do is crash, or wait for the token service.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, drains := range map[string]bool{"at once": false, "after a drain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Start(t, harness.Options{Config: harness.ByHost(stoppedConfigs()), Workers: 2, Drain: 2 * time.Second})
			release := make(chan struct{})
			gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{
				"drained": harness.Hold(release, harness.HeaderToken("X-Token", "token")),
			}, harness.Hang()))
			waiting := waitForTokens(t, gateway)
			if drains {
				checkDrained(t, gateway, release)
			}
			gateway.Signal(t, syscall.SIGTERM)
			ended := time.Now()
			gateway.CheckEnds(t, stopLimit)
			for _, requests := range waiting {
				for _, result := range requests.Wait() {
					if late := result.AnsweredAt.Sub(ended); late > stopLimit || result.Err == nil && result.Status == 200 {
						t.Errorf("answered %d %q (%v) %s after the end", result.Status, result.Body, result.Err, late)
					}
				}
			}
			if strings.Contains(gateway.Log(), "[critical]") {
				t.Errorf("envoy's log has something critical")
			}
		})
	}
}

// stoppedConfigs have each way of waiting for a token, none of which ends in time by itself.
func stoppedConfigs() map[string]map[string]any {
	configs := map[string]map[string]any{}
	for host, more := range map[string]map[string]any{
		"alone":  nil,
		"shared": {"cache": map[string]any{}},
		"caller": {"cache": map[string]any{}, "forwardHeaders": []string{"X-User"}},
		"allow":  {"cache": map[string]any{}, "failure": harness.Allow},
	} {
		configs[host] = harness.Merge(harness.PlainConfig(more), map[string]any{"requestPath": "/" + host, "timeout": 20_000})
	}
	configs["drained"] = harness.PlainConfig(map[string]any{"requestPath": "/drained"})
	return configs
}

// waitForTokens returns when requests for all hosts wait.
func waitForTokens(t *testing.T, gateway *harness.Gateway) (waiting []*harness.Parallel) {
	t.Helper()
	const requests = 10
	hosts := []string{"alone", "shared", "caller", "allow"}
	for _, host := range hosts {
		waiting = append(waiting, harness.SendParallel(gateway.HTTP2Client(), gateway.Requests(t, host, requests/2)...),
			harness.SendParallel(gateway.Client(), gateway.Requests(t, host, requests/2)...))
	}
	gateway.WaitActive(t, requests*len(hosts))
	return waiting
}

// checkDrained checks that requests which wait when Envoy begins to drain get their tokens.
func checkDrained(t *testing.T, gateway *harness.Gateway, release chan<- struct{}) {
	t.Helper()
	const requests = 10
	waiting := harness.SendParallel(gateway.Client(), gateway.Requests(t, "drained", requests)...)
	gateway.Token.WaitCallsOf(t, "drained", requests)
	gateway.Tell(t, "/healthcheck/fail")
	gateway.Tell(t, "/drain_listeners?graceful")
	harness.Eventually(t, harness.Limit, func() error {
		if gateway.Stat(t, "listener_manager.listener_stopped") == "0" {
			return errors.New("no listener is stopped")
		}
		return nil
	})
	close(release)
	for _, result := range waiting.Wait() {
		result.CheckToken(t, "token")
	}
}
