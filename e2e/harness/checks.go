package harness

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// SubjectLeeway is how long after its exp a caller's token is still exchanged.
const SubjectLeeway = 60 * time.Second

// Leak is a part of all that a Refusal says. No client may see any of it.
const Leak = "l3ak"

// What a client is told about its own token (RFC 6750 section 3).
const (
	MissingToken = `Bearer realm="token-fetch"`
	InvalidToken = `Bearer realm="token-fetch", error="invalid_token"`
)

// DefaultReply is what a request gets that is denied, where failure is not configured.
var DefaultReply = Reply(http.StatusInternalServerError, "http call failed", "text/plain; charset=utf-8")

// Reply is an answer for CheckReply.
func Reply(status int, body, contentType string) Answer {
	return Answer{Status: status, Body: body, Header: http.Header{"Content-Type": {contentType}}}
}

// CheckReply compares status, body and content type.
func CheckReply(t testing.TB, answer, want Answer) {
	t.Helper()
	if answer.Status != want.Status || answer.Body != want.Body || answer.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
		t.Errorf("the gateway answered %+v, want %+v", answer, want)
	}
}

// CheckStatus ends the test when the gateway answered with another status.
func CheckStatus(t testing.TB, answer Answer, want int) {
	t.Helper()
	if answer.Status != want {
		t.Fatalf("the gateway answered %d %q, want %d", answer.Status, answer.Body, want)
	}
}

// CheckUnauthorized checks the answer to a client whose own token is the reason.
func CheckUnauthorized(t testing.TB, answer Answer, challenge string) {
	t.Helper()
	if got := answer.Header.Values("WWW-Authenticate"); answer.Status != http.StatusUnauthorized || !slices.Equal(got, []string{challenge}) {
		t.Errorf("answered %d %q with WWW-Authenticate %q, want 401 with %q", answer.Status, answer.Body, got, challenge)
	}
	if text := fmt.Sprint(answer.Header, answer.Body); strings.Contains(text, Leak) {
		t.Errorf("the client received something of the server's answer: %s", text)
	}
}

// CheckRefusedSubject checks the answer to a client whose token the authorization server refused.
func CheckRefusedSubject(t testing.TB, answer Answer) {
	t.Helper()
	CheckUnauthorized(t, answer, InvalidToken)
	if want := "the bearer token was refused"; answer.Body != want {
		t.Errorf("answered %q, want %q", answer.Body, want)
	}
}

// CheckHeader compares all values of a header that the upstream received last.
func (u *Upstream) CheckHeader(t testing.TB, name string, want ...string) {
	t.Helper()
	if got := u.Last(t).Header.Values(name); !slices.Equal(got, want) {
		t.Errorf("the upstream received %s %q, want %q", name, got, want)
	}
}

// CheckNotReached fails the test when the upstream has received anything.
func (u *Upstream) CheckNotReached(t testing.TB) {
	t.Helper()
	if requests := u.Requests(); len(requests) != 0 {
		t.Errorf("the upstream received %+v", requests)
	}
}

// CallsOf are the token calls for the path /host, as CachedConfigs have them.
func (s *TokenService) CallsOf(host string) []Call {
	return slices.DeleteFunc(s.Calls(), func(call Call) bool { return call.URI != "/"+host })
}

// WaitCallsOf returns once there are at least count token calls for the path /host.
func (s *TokenService) WaitCallsOf(t testing.TB, host string, count int) {
	t.Helper()
	Eventually(t, Limit, func() error {
		if calls := len(s.CallsOf(host)); calls < count {
			return fmt.Errorf("%d token calls for %s, want %d", calls, host, count)
		}
		return nil
	})
}

// CheckCallsOf checks how many token calls were made for the path /host.
func (s *TokenService) CheckCallsOf(t testing.TB, host string, want int) {
	t.Helper()
	if calls := len(s.CallsOf(host)); calls != want {
		t.Errorf("%d token calls for %s, want %d", calls, host, want)
	}
}
