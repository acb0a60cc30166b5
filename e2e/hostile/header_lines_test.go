package hostile_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// exchanges are ways to configure a token exchange; the subject comes in X-Subject, an actor in X-Actor.
var exchanges = map[string]harness.Config{
	"taken":   {},
	"kept":    {"keepSubjectToken": true},
	"actor":   {"actorTokenHeader": "X-Actor", "keepSubjectToken": true},
	"missing": {"allowMissing": true, "keepSubjectToken": true},
}

// tokenLines are requests with several lines of a header whose token is exchanged. Whichever of them were exchanged, the
// upstream could take another.
var tokenLines = map[string]struct {
	lines  []string
	with   []string // names of exchanges; nil: all
	status int
}{
	"one":                      {lines: []string{"X-Subject: alice", "X-Actor: gateway"}, status: 200},
	"two":                      {lines: []string{"X-Subject: alice", "X-Subject: bob", "X-Actor: gateway"}, status: 401},
	"twice the same":           {lines: []string{"X-Subject: alice", "x-subject: alice", "X-Actor: gateway"}, status: 401},
	"the second is empty":      {lines: []string{"X-Subject: alice", "X-Subject:", "X-Actor: gateway"}, status: 401},
	"the first is empty":       {lines: []string{"X-Subject:", "X-Subject: alice", "X-Actor: gateway"}, status: 401},
	"the first is no bearer":   {lines: []string{"X-Subject: Basic YTpi", "X-Subject: alice", "X-Actor: gateway"}, status: 401},
	"a comma":                  {lines: []string{"X-Subject: alice,bob", "X-Actor: gateway"}, status: 401},
	"a comma and a blank":      {lines: []string{"X-Subject: alice, bob", "X-Actor: gateway"}, status: 401},
	"a comma between schemes":  {lines: []string{"X-Subject: Basic YTpi,Bearer bob", "X-Actor: gateway"}, status: 401},
	"two with a comma":         {lines: []string{"X-Subject: alice,", "X-Subject: bob", "X-Actor: gateway"}, status: 401},
	"two actors":               {lines: []string{"X-Subject: alice", "X-Actor: gateway", "X-Actor: root"}, with: []string{"actor"}, status: 401},
	"an actor, then an empty":  {lines: []string{"X-Subject: alice", "X-Actor: gateway", "X-Actor:"}, with: []string{"actor"}, status: 401},
	"two actors in one line":   {lines: []string{"X-Subject: alice", "X-Actor: gateway,root"}, with: []string{"actor"}, status: 401},
	"actor not asked for, two": {lines: []string{"X-Subject: alice", "X-Actor: gateway", "X-Actor: root"}, with: []string{"taken", "kept", "missing"}, status: 200},
}

func TestHeaderLines(t *testing.T) {
	t.Parallel()
	configs := map[string]harness.Config{
		// More headers than are read one by one.
		"many": harness.PlainConfig(harness.Config{"forwardHeaders": []string{"X-Tenant", "X-User", "X-A", "X-B", "X-C"}, "cache": harness.Config{}}),
	}
	for name, oauth2 := range exchanges {
		configs[name] = harness.OAuth2Config("/"+name, harness.Merge(harness.Merge(harness.Exchange, harness.Config{"subjectTokenHeader": "X-Subject"}), oauth2),
			harness.Config{"tokenHeader": "X-Token"})
	}
	for name := range forwardedLines {
		config := harness.Config{"forwardHeaders": []string{"X-Tenant", "X-User"}, "cache": harness.Config{}, "requestPath": "/" + harness.HostName(name)}
		configs[harness.HostName(name)] = harness.PlainConfig(config)
		delete(config, "cache")
		configs[harness.HostName(name)+"-uncached"] = harness.PlainConfig(config)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs), HTTP2Upstream: true})
	t.Run("exchanged tokens", func(t *testing.T) { checkExchangedLines(t, gateway) })
	t.Run("forwarded headers", func(t *testing.T) { checkForwardedLines(t, gateway) })
}

// checkExchangedLines has the upstream receive no subject or actor that was not exchanged.
func checkExchangedLines(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.ExchangeServer(3600))
	for protocol, client := range map[string]*http.Client{"HTTP/1.1": gateway.Client(), "HTTP/2": gateway.HTTP2Client()} {
		for name, test := range tokenLines {
			for exchange := range exchanges {
				if test.with != nil && !slices.Contains(test.with, exchange) {
					continue
				}
				t.Run(strings.Join([]string{protocol, name, exchange}, "/"), func(t *testing.T) {
					gateway.Upstream.Forget()
					gateway.Token.Forget()
					answer, err := harness.Send(client, gateway.Request(t, http.MethodGet, "/", "", append(slices.Clone(test.lines), "Host: "+exchange)...))
					if err != nil || answer.Status != test.status {
						t.Fatalf("answered %d %q (%v), want %d", answer.Status, answer.Body, err, test.status)
					}
					if reached := len(gateway.Upstream.Requests()); test.status == 401 && (reached > 0 || len(gateway.Token.Calls()) > 0) {
						t.Errorf("%d requests reached the upstream, and %d calls the token service; want none", reached, len(gateway.Token.Calls()))
					}
				})
			}
		}
	}
	t.Run("as a trailer", func(t *testing.T) {
		for exchange := range exchanges {
			request := gateway.Request(t, http.MethodPost, "/", "", "Host: "+exchange, "X-Subject: alice", "X-Actor: gateway")
			request.Body, request.ContentLength = io.NopCloser(strings.NewReader("body")), -1
			request.Trailer = http.Header{"X-Subject": {"bob"}, "X-Other": {"passes"}}
			if answer, err := harness.Send(gateway.HTTP2Client(), request); err != nil || answer.Status != 200 {
				t.Fatalf("%s: answered %d %q (%v), want 200", exchange, answer.Status, answer.Body, err)
			}
			trailer := gateway.Upstream.Last(t).Trailer
			if trailer.Get("X-Subject") != "" || trailer.Get("X-Other") == "" {
				t.Errorf("%s: the upstream received the trailers %v, want no subject", exchange, trailer)
			}
		}
	})
}

// forwardedLines are lines of a header that is forwarded to the token service.
var forwardedLines = map[string][]string{
	"one":                {"acme"},
	"none":               {},
	"two":                {"acme", "other"},
	"two, turned around": {"other", "acme"},
	"a comma":            {"acme,other"},
	"a comma, a blank":   {"acme, other"},
	"an empty one":       {""},
	"empty, then one":    {"", "acme"},
	"one, then empty":    {"acme", ""},
	"three, commas":      {"a,b", ",", "c"},
	"quotes":             {`"a,b"`, `"c`},
}

// checkForwardedLines: for several lines, the token service is asked for what the upstream sees; and different lines are
// different callers.
func checkForwardedLines(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	send := func(t *testing.T, client *http.Client, host string, lines []string) (asked, seen []string) {
		t.Helper()
		gateway.Token.Forget()
		request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host, "X-User: alice")
		request.Header["X-Tenant"] = lines
		if answer, err := harness.Send(client, request); err != nil || answer.Status != 200 {
			t.Fatalf("answered %d %q (%v), want 200", answer.Status, answer.Body, err)
		}
		if calls := gateway.Token.Calls(); len(calls) > 0 {
			asked = calls[0].Header.Values("X-Tenant")
		}
		return asked, gateway.Upstream.Last(t).Header.Values("X-Tenant")
	}
	for name, lines := range forwardedLines {
		for _, host := range []string{harness.HostName(name), harness.HostName(name) + "-uncached", "many"} {
			t.Run(name+"/"+host, func(t *testing.T) {
				asked, seen := send(t, gateway.Client(), host, lines)
				if !slices.Equal(asked, seen) {
					t.Errorf("the token service was asked for %q, and the upstream sees %q; want the same", asked, seen)
				}
			})
		}
	}
	for name, lines := range forwardedLines {
		if again, _ := send(t, gateway.HTTP2Client(), "many", lines); again != nil {
			t.Errorf("%s, over HTTP/2: the token service was asked again, for %q", name, again)
		}
	}
}
