package caching_test

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
	configs := harness.CachedConfigs([]string{"default", "deny", "allow", "one"}, map[string]any{"maxWaiting": most})
	configs["deny"]["failure"] = map[string]any{"mode": "deny", "status": 503, "body": "busy"}
	configs["allow"]["failure"] = map[string]any{"mode": "allow"}
	configs["one"]["cache"] = map[string]any{"maxWaiting": 1}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), Details: true})
	tokens := &harness.TokenIssuer{}
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
			gateway.Token.Handle(harness.Hold(release, tokens.Answer(300)))
			leavers := newLeavers(t, gateway, gateway.Client(), test.host, 1)
			gateway.WaitActive(t, 1)
			waiting := harness.SendParallel(gateway.Client(), gateway.Requests(t, test.host, test.most-1)...)
			gateway.WaitActive(t, test.most)
			for range 2 {
				more := gateway.Ask(t, test.host, "X-Token: forged")
				details := more.Header.Get(harness.DetailsHeader)
				if more.Status != test.status || more.Err != nil || !strings.Contains(details, test.details) || more.Took() > 5*time.Second {
					t.Errorf("one more was answered %d %q (%s, %v) after %s, want %d %q (%s) at once",
						more.Status, more.Body, details, more.Err, more.Took(), test.status, test.body, test.details)
				}
				if test.body != "" && more.Body != test.body || test.body == "" && more.Token() != "" {
					t.Errorf("one more was answered %q, want %q", more.Body, test.body)
				}
			}
			// The place of one that has left is free again.
			leavers.leave()
			gateway.WaitActive(t, test.most-1)
			next := harness.SendParallel(gateway.Client(), gateway.Requests(t, test.host, 1)...)
			gateway.WaitActive(t, test.most)
			close(release)
			for _, result := range append(waiting.Wait(), next.Wait()...) {
				if result.Status != http.StatusOK || result.Token() != harness.IssuedToken(test.host, 1) {
					t.Errorf("one that waited was answered %d with the token %q (%v)", result.Status, result.Token(), result.Err)
				}
			}
			gateway.Token.CheckCallsOf(t, test.host, 1)
		})
	}
}
