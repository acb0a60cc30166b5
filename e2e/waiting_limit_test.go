package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestMaxWaiting has more requests than may wait for a call.
func TestMaxWaiting(t *testing.T) {
	t.Parallel()
	const most = 3
	configs := cachedHosts([]string{"default", "deny", "allow", "one"}, map[string]any{"maxWaiting": most})
	configs["deny"]["failure"] = map[string]any{"mode": "deny", "status": 503, "body": "busy"}
	configs["allow"]["failure"] = map[string]any{"mode": "allow"}
	configs["one"]["cache"] = map[string]any{"maxWaiting": 1}
	gateway := startCached(t, harness.Options{Config: byHost(configs), Details: true})
	tokens := &mint{}
	for _, test := range []struct {
		host    string
		most    int
		status  int
		body    string // "": the upstream's
		details string
	}{
		{"default", most, 500, "http call failed", "too_many_waiting"},
		{"deny", most, 503, "busy", "too_many_waiting"},
		{"allow", most, 200, "", ""},
		{"one", 1, 500, "http call failed", "too_many_waiting"},
	} {
		t.Run(test.host, func(t *testing.T) {
			release := make(chan struct{})
			gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))
			leavers := newLeavers(t, gateway, gateway.Client(), test.host, 1)
			waitActive(t, gateway, 1)
			waiting := sendParallel(gateway.Client(), requestsFor(t, gateway, test.host, test.most-1)...)
			waitActive(t, gateway, test.most)
			for range 2 {
				more := get(t, gateway, test.host, "X-Token: forged")
				details := more.Header.Get(harness.DetailsHeader)
				if more.Status != test.status || more.err != nil || !strings.Contains(details, test.details) || more.took() > 5*time.Second {
					t.Errorf("one more was answered %d %q (%s, %v) after %s, want %d %q (%s) at once",
						more.Status, more.Body, details, more.err, more.took(), test.status, test.body, test.details)
				}
				if test.body != "" && more.Body != test.body || test.body == "" && more.token() != "" {
					t.Errorf("one more was answered %q, want %q", more.Body, test.body)
				}
			}
			// The place of one that has left is free again.
			leavers.leave()
			waitActive(t, gateway, test.most-1)
			next := sendParallel(gateway.Client(), requestsFor(t, gateway, test.host, 1)...)
			waitActive(t, gateway, test.most)
			close(release)
			for _, result := range append(waiting.wait(), next.wait()...) {
				if result.Status != http.StatusOK || result.token() != mintedToken(test.host, 1) {
					t.Errorf("one that waited was answered %d with the token %q (%v)", result.Status, result.token(), result.err)
				}
			}
			checkCalls(t, gateway, test.host, 1)
		})
	}
}
