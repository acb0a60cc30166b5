// Package oauth is about the key oauth2: that authorization servers nobody here wrote accept what they are asked, what a
// client reads whose own token is refused, and what reaches the upstream of it. How requests are formed and answers are
// read is tested in internal/tokenservice.
package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// refusedFailures are configurations of failure, none of which concerns a request whose own token is refused.
var refusedFailures = map[string]any{
	"deny":  map[string]any{"status": 503, "body": "no token"},
	"plain": nil,
	"allow": map[string]any{"mode": "allow"},
}

// subjectRefusals are refusals of the client's own token.
var subjectRefusals = map[string]http.HandlerFunc{
	"invalid_grant":          harness.Refusal(400, "invalid_grant"),
	"invalid_request":        harness.Refusal(400, "invalid_request"),
	"invalid_token":          harness.Refusal(400, "invalid_token"),
	"invalid_token with 401": harness.Refusal(401, "invalid_token"),
}

// otherRefusals are not the caller's fault, or not said to be: failure says what becomes of the request.
var otherRefusals = map[string]http.HandlerFunc{
	"invalid_client":         harness.Refusal(401, "invalid_client"),
	"403 with invalid_grant": harness.Refusal(403, "invalid_grant"),
	"200 with invalid_grant": harness.Refusal(200, "invalid_grant"),
	"400 that is not JSON":   harness.JSON(400, `error=invalid_grant`),
	"a challenge":            challenging, // as RFC 6750 has it, which is not how a token endpoint does
}

func challenging(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+harness.Leak+`", error="invalid_token"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// otherHost is the one of an error for which failure says what becomes of the request.
func otherHost(failure, name string) string { return harness.HostName(failure + "." + name) }

func TestRefusedSubjects(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{}
	for grant, oauth2 := range map[string]map[string]any{"exchange": harness.Exchange, "assertion": harness.Assertion} {
		for failure, config := range refusedFailures {
			names := []string{grant + "." + failure}
			for name := range otherRefusals {
				names = append(names, otherHost(grant+"."+failure, name))
			}
			for _, name := range names {
				hosts[name] = harness.OAuth2Config("/"+name, oauth2, map[string]any{"cache": map[string]any{"backoff": 30_000}, "failure": config})
			}
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	for _, grant := range []string{"exchange", "assertion"} {
		for name, check := range map[string]func(*testing.T, *harness.Gateway, string){
			"refused": checkSubjectsRefused, "failed": checkExchangesFailed, "waiting": checkWaitingRefused,
		} {
			t.Run(grant+"/"+name, func(t *testing.T) {
				gateway.Upstream.Forget()
				check(t, gateway, grant)
			})
		}
	}
}

// refusalCounters are those that refused subjects concern.
func refusalCounters(t *testing.T, gateway *harness.Gateway) harness.Counters {
	t.Helper()
	return gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
}

func checkSubjectsRefused(t *testing.T, gateway *harness.Gateway, grant string) {
	before, requests := refusalCounters(t, gateway), 0
	for failure := range refusedFailures {
		for name, refusal := range subjectRefusals {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Handle(refusal)
				harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: "+grant+"."+failure, "Authorization: Bearer "+harness.HostName(name)))
			})
			requests++
		}
	}
	gateway.Upstream.CheckNotReached(t)
	gateway.WaitGrowth(t, before, harness.Counters{"calls": requests, "call_failures": 0, "subjects_refused": requests, "allowed_without_token": 0})
}

func checkExchangesFailed(t *testing.T, gateway *harness.Gateway, grant string) {
	for failure := range refusedFailures {
		for name, refusal := range otherRefusals {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Handle(refusal)
				answer := gateway.Get(t, "/", "Host: "+otherHost(grant+"."+failure, name), "Authorization: Bearer alice")
				switch failure {
				case "allow":
					harness.CheckStatus(t, answer, 200)
					gateway.Upstream.CheckHeader(t, "Authorization")
				case "deny":
					harness.CheckReply(t, answer, harness.Reply(503, "no token", "text/plain; charset=utf-8"))
				default:
					harness.CheckReply(t, answer, harness.DefaultReply)
				}
				if challenge, text := answer.Header.Values("WWW-Authenticate"), fmt.Sprint(answer.Header, answer.Body); challenge != nil || strings.Contains(text, harness.Leak) {
					t.Errorf("the client received %s", text)
				}
			})
		}
	}
}

// checkWaitingRefused has many requests of the refused caller wait for one call, while another caller is served.
func checkWaitingRefused(t *testing.T, gateway *harness.Gateway, grant string) {
	const requests = 50
	release := make(chan struct{})
	exchanged, refusal := harness.ExchangeServer(3600), harness.Refusal(400, "invalid_grant")
	gateway.Token.Handle(harness.Hold(release, func(w http.ResponseWriter, r *http.Request) {
		if harness.CallerOf(r) == "mallory" {
			refusal(w, r)
			return
		}
		exchanged(w, r)
	}))
	before := refusalCounters(t, gateway)
	var refused, good []*http.Request
	for range requests {
		refused = append(refused, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+grant+".allow", "Authorization: Bearer mallory"))
		good = append(good, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+grant+".allow", "Authorization: Bearer walter"))
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
