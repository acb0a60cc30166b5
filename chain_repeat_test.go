package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
	"token-fetch/internal/tokentest"
)

// A link that was good when it was fetched is fetched anew once, and the call repeated.
func TestLinkThatIsRevoked(t *testing.T) {
	h := newChainHost(t, linkConfig("", "", ""))
	h.answers["/call"] = always(body(401, ""))
	first := h.ask()
	if h.run(); h.takeMade() != "/login /exchange /call" || first.values != "other_status" {
		t.Errorf("a link that was fetched for the call: got %s, expected that it is not to blame", first.values)
	}
	// Of links that live longer than the call's token:
	h = newChainHost(t, linkConfig(`, "timeout": 1000`, "", ""))
	short := func(text string) *tokenservice.Response {
		return body(200, fmt.Sprintf(`{"token": %q, "expires_in": 60}`, text))
	}
	h.answers["/call"] = short
	h.ask()
	h.run()
	h.takeMade()
	next := func(answers ...*tokenservice.Response) string {
		h.Pass(2 * time.Minute)
		h.answers["/call"] = func(text string) *tokenservice.Response {
			if len(answers) > 0 {
				a := answers[0]
				answers = answers[1:]
				return a
			}
			return short(text)
		}
		a := h.ask()
		h.run()
		return h.takeMade() + " " + strings.TrimRight(a.values, "0123456789")
	}
	const unauthorized = `{"error": "invalid_token"}`
	for _, test := range []struct {
		name    string
		answers []*tokenservice.Response
		want    string
	}{
		{"cached links", nil, "/call /call"},
		{"401", []*tokenservice.Response{body(401, "")}, "/call /exchange /call /call"},
		{"400 with invalid_token", []*tokenservice.Response{body(400, unauthorized)}, "/call /exchange /call /call"},
		{"400 with invalid_grant", []*tokenservice.Response{body(400, `{"error": "invalid_grant"}`)}, "/call /exchange /call /call"},
		{"400 for another reason", []*tokenservice.Response{body(400, `{"error": "invalid_scope"}`)}, "/call other_status"},
		{"403", []*tokenservice.Response{body(403, "")}, "/call other_status"},
		{"twice", []*tokenservice.Response{body(401, ""), body(401, "")}, "/call /exchange /call other_status"},
		{"then unavailable", []*tokenservice.Response{body(401, ""), body(503, "")}, "/call /exchange /call server_error"},
	} {
		h.Pass(time.Minute) // waits and the rejections before are over
		before := *h.clients[""].log.metrics
		if got := next(test.answers...); got != test.want {
			t.Errorf("%s: got %s, expected %s", test.name, got, test.want)
		}
		if got := h.clients[""].log.metrics.callFailures - before.callFailures; got != uint64(len(test.answers)) {
			t.Errorf("%s: got %d failures of calls, expected %d", test.name, got, len(test.answers))
		}
	}
	h.Pass(time.Minute)
	h.answers["/exchange"] = always(body(503, ""))
	if got := next(body(401, "")); got != "/call /exchange other_status" && got != "/call /exchange server_error" {
		t.Errorf("no new link to be had: got %s", got)
	}
}

// A caller's own token that is refused is no fault of the client's assertion: any caller could bring a bad one, and double the calls.
func TestRefusedSubjectBlamesNoLink(t *testing.T) {
	config := `{"serviceName": "idp.dns", "requestPath": "/call", "oauth2": {"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "authStyle": "client_assertion", "clientAssertion": "${token.login}"},
		"tokens": {"login": {"serviceName": "login.dns", "requestPath": "/login", "tokenPath": "token"}}}`
	for answer, want := range map[*tokenservice.Response]string{
		body(400, `{"error": "invalid_grant"}`):  "/call",
		body(401, `{"error": "invalid_client"}`): "/call /login /call",
	} {
		h := newChainHost(t, config)
		h.answers["/call"] = func(string) *tokenservice.Response { return body(200, `{"access_token": "t1", "expires_in": 3600}`) }
		h.ask([2]string{"authorization", "Bearer alice"})
		h.run()
		h.takeMade()
		h.answers["/call"] = always(answer)
		h.ask([2]string{"authorization", "Bearer mallory"})
		h.run()
		if got := h.takeMade(); got != want {
			t.Errorf("%s: got the calls %q, expected %q", answer.Body, got, want)
		}
	}
}

// What another gateway had before can have been revoked since, although this one has asked for it just now.
func TestLinkOfAnotherGateway(t *testing.T) {
	h := newChainHost(t, linkConfig("", "", ""))
	from := &tokentest.Source{Clock: h.Clock}
	exchange := h.top.part.named[0]
	h.top = h.cachedOf(h.top.part, map[*part]cached{exchange: {exchange, h.clients["exchange"].log, cache.New(&exchange.Cache.Policy, from, cache.Deps{
		Clock: h, Scheduler: h.scheduler, Memory: &h.memory, Stats: &cache.Stats{}, OnPanic: func(any) {},
	})}})
	h.answers["/call"] = func(string) *tokenservice.Response { h.answers["/call"] = nil; return body(401, "") }
	a := h.ask()
	from.Fetches[0].End(result{Token: token.Token{Values: []string{"old"}, ID: 1, Lifetime: time.Hour, IsShared: true}})
	h.run()
	if len(from.Fetches) != 2 || a.told != 0 {
		t.Fatalf("got %d fetches of the link, told %d times, expected another one", len(from.Fetches), a.told)
	}
	from.Fetches[1].End(result{Token: token.Token{Values: []string{"new"}, ID: 2, Lifetime: time.Hour, IsShared: true}})
	if h.run(); a.told != 1 || !strings.HasPrefix(a.values, "/call") || h.takeMade() != "/call /call" {
		t.Errorf("got %s, told %d times", a.values, a.told)
	}
}
