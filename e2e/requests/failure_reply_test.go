package requests_test

import (
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// The headers of a reply, including Retry-After: a request after that time causes a call. Which replies have it, and how long
// the waits are, is tested next to failure.go and in internal/cache.
func TestFailureReplies(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Env: map[string]string{"NAME": "value"}, Config: harness.ByHost(map[string]map[string]any{
		"headers": harness.PlainConfig(map[string]any{"requestPath": "/headers", "failure": map[string]any{
			"status": 503, "body": `{"a": 1}`, "contentType": "application/json",
			"headers": map[string]any{"X-Reason": "no token, s\u00f6rry", "Cache-Control": "no-store", "Set-Cookie": "a=${NAME}; Secure", "X-Empty": ""},
		}}),
		"again": harness.PlainConfig(map[string]any{"requestPath": "/again", "cache": map[string]any{"backoff": 1500}, "failure": map[string]any{"status": 503}}),
	})})
	gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{
		"headers": harness.Busy(429, func() string { return "7" }),
	}, harness.Sequence(harness.Status(500), harness.HeaderToken("X-Token", "token-1"))))

	for version, client := range map[string]*http.Client{"HTTP/1.1": gateway.Client(), "HTTP/2": gateway.HTTP2Client()} {
		t.Run("headers by "+version, func(t *testing.T) {
			got := gateway.AskBy(t, client, "headers")
			harness.CheckReply(t, got.Answer, harness.Reply(503, `{"a": 1}`, "application/json"))
			for name, value := range map[string]string{
				"X-Reason": "no token, s\u00f6rry", "Cache-Control": "no-store", "Set-Cookie": "a=value; Secure", "Content-Length": "8", "Retry-After": "7", "X-Empty": "",
			} {
				if values := got.Header.Values(name); len(values) != 1 || values[0] != value {
					t.Errorf("%s is %q, want %q", name, values, value)
				}
			}
		})
	}
	t.Run("Retry-After is true", func(t *testing.T) {
		for _, which := range []string{"the one that waited", "the next"} {
			answer := gateway.Ask(t, "again").Answer
			harness.CheckStatus(t, answer, 503)
			if got := answer.Header.Get("Retry-After"); got != "2" {
				t.Fatalf("%s got Retry-After %q, want 2", which, got)
			}
		}
		gateway.Token.CheckCallsOf(t, "again", 1)
		time.Sleep(2 * time.Second)
		harness.CheckStatus(t, gateway.Ask(t, "again").Answer, 200)
	})
}
