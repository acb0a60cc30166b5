package requests_test

import (
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// The headers of a reply, including Retry-After. Which replies have it is tested next to failure.go, how long the waits are in
// internal/cache, and that a request after that time causes a call in e2e/chains.
func TestFailureReplies(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Env: map[string]string{"NAME": "value"}, Config: harness.ByHost(map[string]map[string]any{
		"headers": harness.PlainConfig(map[string]any{"requestPath": "/headers", "failure": map[string]any{
			"status": 503, "body": `{"a": 1}`, "contentType": "application/json",
			"headers": map[string]any{"X-Reason": "no token, s\u00f6rry", "Cache-Control": "no-store", "Set-Cookie": "a=${NAME}; Secure", "X-Empty": ""},
		}}),
	})})
	gateway.Token.Handle(harness.Busy(http.StatusTooManyRequests, func() string { return "7" }))

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
}
