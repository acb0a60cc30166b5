// Package oauth tests the key oauth2: whether independent authorization servers accept the requests, how a client is answered
// whose own token is refused, and what of it reaches the upstream. The form of requests and the parsing of answers are tested
// in internal/tokenservice.
package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// Answers of the server to a caller's token, one of each kind: which are refusals of it is tested in internal/tokenservice.
var (
	refusing = harness.Refusal(400, "invalid_grant")
	failing  = map[string]http.HandlerFunc{
		"invalid_client": harness.Refusal(401, "invalid_client"),
		"a challenge": func(w http.ResponseWriter, _ *http.Request) { // as RFC 6750 has it, which is not how a token endpoint does
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+harness.Leak+`", error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	}
)

// A caller whose own token is refused gets 401, whatever failure says; any other failure is a matter of failure. The client
// learns nothing of the server's answer.
func TestRefusedSubjects(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{}
	for grant, oauth2 := range map[string]map[string]any{"exchange": harness.Exchange, "assertion": harness.Assertion} {
		for mode, failure := range map[string]any{"deny": map[string]any{"status": 503, "body": "no token"}, "plain": nil, "allow": harness.Allow} {
			host := grant + "." + mode
			hosts[host] = harness.OAuth2Config("/"+host, oauth2, map[string]any{"cache": map[string]any{"backoff": 1}, "failure": failure})
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	for host := range hosts {
		grant, mode, _ := strings.Cut(host, ".")
		t.Run(host, func(t *testing.T) {
			gateway.Upstream.Forget()
			before := refusalCounters(t, gateway)
			gateway.Token.Handle(refusing)
			harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer mallory"))
			gateway.Upstream.CheckNotReached(t)
			gateway.WaitGrowth(t, before, harness.Counters{"calls": 1, "call_failures": 0, "subjects_refused": 1, "allowed_without_token": 0})
			for name, answer := range failing {
				gateway.Token.Handle(answer)
				got := gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer "+harness.HostName(name))
				switch mode {
				case "allow":
					harness.CheckStatus(t, got, 200)
					gateway.Upstream.CheckHeader(t, "Authorization")
				case "deny":
					harness.CheckReply(t, got, harness.Reply(503, "no token", "text/plain; charset=utf-8"))
				default:
					harness.CheckReply(t, got, harness.DefaultReply)
				}
				if challenge, text := got.Header.Values("WWW-Authenticate"), fmt.Sprint(got.Header, got.Body); challenge != nil || strings.Contains(text, harness.Leak) {
					t.Errorf("%s: the client received %s", name, text)
				}
			}
		})
		if mode == "allow" {
			t.Run(grant+", waiting", func(t *testing.T) { checkWaitingRefused(t, gateway, host) })
		}
	}
}

// refusalCounters are those that refused subjects concern.
func refusalCounters(t *testing.T, gateway *harness.Gateway) harness.Counters {
	t.Helper()
	return gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
}

// checkWaitingRefused has many requests of the refused caller wait for one call, while another caller is served.
func checkWaitingRefused(t *testing.T, gateway *harness.Gateway, host string) {
	const requests = 50
	release := make(chan struct{})
	exchanged := harness.ExchangeServer(3600)
	gateway.Token.Handle(harness.Hold(release, func(w http.ResponseWriter, r *http.Request) {
		if harness.CallerOf(r) == "eve" {
			refusing(w, r)
			return
		}
		exchanged(w, r)
	}))
	gateway.Upstream.Forget()
	before := refusalCounters(t, gateway)
	var refused, good []*http.Request
	for range requests {
		refused = append(refused, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+host, "Authorization: Bearer eve"))
		good = append(good, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+host, "Authorization: Bearer walter"))
	}
	refusedAnswers, goodAnswers := harness.SendParallel(gateway.Client(), refused...), harness.SendParallel(gateway.Client(), good...)
	gateway.WaitActive(t, 2*requests)
	close(release)
	for _, result := range refusedAnswers.Wait() {
		harness.CheckRefusedSubject(t, result.Answer)
	}
	goodAnswers.CheckStatus(t, 200)
	if received := len(gateway.Upstream.Requests()); received != requests {
		t.Errorf("the upstream received %d requests, want the %d of the other caller", received, requests)
	}
	gateway.WaitGrowth(t, before, harness.Counters{"calls": 2, "call_failures": 0, "subjects_refused": requests, "allowed_without_token": 0})
}
