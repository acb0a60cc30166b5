package requests_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// failureReply is a configuration, what its token service answers, and what its clients read.
type failureReply struct {
	more   map[string]any
	answer http.HandlerFunc
	status int
	least  int // seconds of Retry-After; 0: there is none
	most   int
}

func failure(status int, headers map[string]any) map[string]any {
	return map[string]any{"status": status, "headers": headers}
}

var (
	holdingBack    = map[string]any{"backoff": 30_000} // up to a fifth longer
	askingFor      = func(seconds string) http.HandlerFunc { return harness.Busy(429, func() string { return seconds }) }
	failureReplies = map[string]failureReply{
		"backoff, 503":    {map[string]any{"cache": holdingBack, "failure": failure(503, nil)}, harness.Status(500), 503, 29, 36},
		"backoff, 500":    {map[string]any{"cache": holdingBack}, harness.Status(500), 500, 0, 0},
		"Retry-After":     {map[string]any{"cache": map[string]any{"backoff": 1}, "failure": failure(503, nil)}, askingFor("60"), 503, 58, 60},
		"without a cache": {map[string]any{"failure": failure(503, nil)}, askingFor("7"), 503, 7, 7},
		"configured": {map[string]any{"cache": holdingBack, "failure": failure(503, map[string]any{"retry-after": "5"})},
			harness.Status(500), 503, 5, 5},
	}
)

// TestFailureReplies reads the headers of replies: of the request that waited for the call, and of one that is
// denied at once.
func TestFailureReplies(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{
		"headers": harness.PlainConfig(map[string]any{"requestPath": "/headers", "failure": map[string]any{
			"status": 503, "body": `{"a": 1}`, "contentType": "application/json",
			"headers": map[string]any{"X-Reason": "no token, s\u00f6rry", "Cache-Control": "no-store", "Set-Cookie": "a=${NAME}; Secure", "X-Empty": ""},
		}}),
		"again": harness.PlainConfig(map[string]any{"requestPath": "/again", "cache": map[string]any{"backoff": 1500}, "failure": failure(503, nil)}),
	}
	answers := map[string]http.HandlerFunc{
		"headers": harness.Status(500),
		"again":   harness.Sequence(harness.Status(500), harness.HeaderToken("X-Token", "token-1")),
	}
	for name, test := range failureReplies {
		host := harness.HostName(name)
		configs[host] = harness.PlainConfig(harness.Merge(map[string]any{"requestPath": "/" + host}, test.more))
		answers[host] = test.answer
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs), Env: map[string]string{"NAME": "value"}})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	for name, test := range failureReplies {
		t.Run(name, func(t *testing.T) {
			for _, which := range []string{"the one that waited", "the next"} {
				checkFailureReply(t, which, gateway.Ask(t, harness.HostName(name), "X-User: a").Answer, test)
			}
		})
	}
	for version, client := range map[string]*http.Client{"HTTP/1.1": gateway.Client(), "HTTP/2": gateway.HTTP2Client()} {
		t.Run("headers by "+version, func(t *testing.T) {
			got := gateway.AskBy(t, client, "headers")
			want := map[string]string{"X-Reason": "no token, s\u00f6rry", "Cache-Control": "no-store", "Set-Cookie": "a=value; Secure",
				"Content-Type": "application/json", "Content-Length": "8"}
			if got.Err != nil || got.Status != 503 || got.Body != `{"a": 1}` {
				t.Errorf("answered %d %q (%v)", got.Status, got.Body, got.Err)
			}
			for name, value := range want {
				if values := got.Header.Values(name); len(values) != 1 || values[0] != value {
					t.Errorf("%s is %q, want %q", name, values, value)
				}
			}
			if values, found := got.Header["X-Empty"]; !found || values[0] != "" {
				t.Errorf("X-Empty is %q", values)
			}
		})
	}
	t.Run("Retry-After is true", func(t *testing.T) { checkComesAgain(t, gateway) })
}

func checkFailureReply(t *testing.T, which string, got harness.Answer, want failureReply) {
	t.Helper()
	if got.Status != want.status || got.Body != "http call failed" {
		t.Errorf("%s was answered %d %q, want %d", which, got.Status, got.Body, want.status)
	}
	values := got.Header.Values("Retry-After")
	if want.least == 0 {
		if len(values) != 0 {
			t.Errorf("%s got Retry-After %q, want none", which, values)
		}
		return
	}
	if len(values) != 1 {
		t.Errorf("%s got Retry-After %q, want one", which, values)
		return
	}
	if seconds, err := strconv.Atoi(values[0]); err != nil || seconds < want.least || seconds > want.most {
		t.Errorf("%s got Retry-After %q, want %d to %d", which, values[0], want.least, want.most)
	}
}

// checkComesAgain comes again when a reply says so: then a call is made.
func checkComesAgain(t *testing.T, gateway *harness.Gateway) {
	for range 2 {
		answer := gateway.Ask(t, "again").Answer
		harness.CheckStatus(t, answer, 503)
		if got := answer.Header.Get("Retry-After"); got != "2" {
			t.Fatalf("Retry-After is %q, want 2", got)
		}
	}
	gateway.Token.CheckCallsOf(t, "again", 1)
	time.Sleep(2 * time.Second)
	harness.CheckStatus(t, gateway.Ask(t, "again").Answer, 200)
}
