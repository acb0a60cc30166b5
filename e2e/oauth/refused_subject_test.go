package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

var refusedFailures = map[string]any{
	"deny":  map[string]any{"status": 503, "body": "no token"},
	"plain": nil,
	"allow": map[string]any{"mode": "allow"},
}

// refusedHost makes a host for errors that hold back all callers.
func refusedHost(failure, name string) string { return harness.HostName(failure + "." + name) }

func TestRefusedSubjects(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: refusing(harness.Exchange)})
	for name, grant := range map[string]map[string]any{"token exchange": harness.Exchange, "assertion": harness.Assertion} {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, refusing(grant))
			checkExchanges(t, gateway, map[string]func(*testing.T, *harness.Gateway){
				"refused":     checkSubjectsRefused,
				"failed":      checkExchangesFailed,
				"remembered":  checkRefusalRemembered,
				"waiting":     checkWaitingRefused,
				"tried again": checkTriedAgain,
				"expired":     checkExpiredSubject,
			})
		})
	}
}

// refusing has a host for each failure, and one for each error that holds back all callers.
func refusing(grant map[string]any) map[string]any {
	hosts := map[string]map[string]any{}
	add := func(host string, failure any, backoff int) {
		hosts[host] = harness.OAuth2Config("/"+host, grant, map[string]any{"cache": map[string]any{"backoff": backoff}, "failure": failure})
	}
	add("brief", nil, 500)
	for failure, config := range refusedFailures {
		add(failure, config, 30_000)
		for name := range otherRefusals {
			add(refusedHost(failure, name), config, 30_000)
		}
	}
	return harness.ByHost(hosts)
}

// subjectRefusals are refusals of the client's own token.
var subjectRefusals = map[string]http.HandlerFunc{
	"invalid_grant":          harness.Refusal(400, "invalid_grant"),
	"invalid_request":        harness.Refusal(400, "invalid_request"),
	"invalid_token":          harness.Refusal(400, "invalid_token"),
	"invalid_token with 401": harness.Refusal(401, "invalid_token"),
}

// otherRefusals are errors that are not the caller's fault, or not said to be.
var otherRefusals = map[string]http.HandlerFunc{
	"invalid_client":              harness.Refusal(401, "invalid_client"),
	"invalid_client with 400":     harness.Refusal(400, "invalid_client"),
	"invalid_scope":               harness.Refusal(400, "invalid_scope"),
	"403 with invalid_grant":      harness.Refusal(403, "invalid_grant"),
	"500 with invalid_grant":      harness.Refusal(500, "invalid_grant"),
	"200 with invalid_grant":      harness.Refusal(200, "invalid_grant"),
	"400 without a code":          harness.JSON(400, `{"error_description":"l3ak"}`),
	"400 that is not JSON":        harness.JSON(400, `error=invalid_grant`),
	"reset":                       harness.Reset(),
	"challenge, but no such code": challenging,
}

// challenging refuses the token as RFC 6750 has it, which is not how a token endpoint does.
func challenging(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+harness.Leak+`", error="invalid_token"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// refusalCounters are those that refused subjects concern.
func refusalCounters(t *testing.T, gateway *harness.Gateway) harness.Counters {
	t.Helper()
	return gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
}

func checkSubjectsRefused(t *testing.T, gateway *harness.Gateway) {
	for failure := range refusedFailures {
		for name, refusal := range subjectRefusals {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Handle(refusal)
				harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: "+failure, "Authorization: Bearer "+harness.HostName(name)))
			})
		}
	}
	gateway.Upstream.CheckNotReached(t)
	before := refusalCounters(t, gateway)
	gateway.Token.Handle(harness.Refusal(400, "invalid_grant"))
	for i := range 10 {
		harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: allow", fmt.Sprint("Authorization: Bearer counted-", i)))
	}
	gateway.WaitGrowth(t, before, harness.Counters{"calls": 10, "call_failures": 0, "subjects_refused": 10, "allowed_without_token": 0})
}

// checkExchangesFailed has errors for which failure says what becomes of the request.
func checkExchangesFailed(t *testing.T, gateway *harness.Gateway) {
	for failure := range refusedFailures {
		for name, refusal := range otherRefusals {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Handle(refusal)
				answer := gateway.Get(t, "/", "Host: "+refusedHost(failure, name), "Authorization: Bearer alice")
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
	t.Run("counters", func(t *testing.T) {
		before := refusalCounters(t, gateway)
		gateway.Token.Handle(harness.Refusal(400, "invalid_scope"))
		for i := range 10 {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: allow", fmt.Sprint("Authorization: Bearer scope-", i)), 200)
		}
		gateway.WaitGrowth(t, before, harness.Counters{"calls": 10, "call_failures": 10, "subjects_refused": 0, "allowed_without_token": 10})
	})
}

// exchangeAllBut refuses one subject and exchanges all others.
func exchangeAllBut(refused string) http.HandlerFunc {
	exchanged, refusal := harness.ExchangeServer(3600), harness.Refusal(400, "invalid_grant")
	return func(w http.ResponseWriter, r *http.Request) {
		if harness.CallerOf(r) == refused {
			refusal(w, r)
			return
		}
		exchanged(w, r)
	}
}

func checkRefusalRemembered(t *testing.T, gateway *harness.Gateway) {
	ask := func(caller string) harness.Answer {
		return gateway.Get(t, "/", "Host: plain", "Authorization: Bearer "+caller)
	}
	gateway.Token.Handle(exchangeAllBut("bob"))
	for range 3 {
		harness.CheckStatus(t, ask("alice"), 200)
		harness.CheckRefusedSubject(t, ask("bob"))
		harness.CheckStatus(t, ask("carol"), 200)
	}
	gateway.Token.Handle(harness.ExchangeServer(3600)) // and would take bob now
	harness.CheckRefusedSubject(t, ask("bob"))
	if calls := len(gateway.Token.Calls()); calls != 3 {
		t.Errorf("the token service was called %d times, want once for each caller", calls)
	}
}

// checkWaitingRefused has many requests of the refused caller wait for one call.
func checkWaitingRefused(t *testing.T, gateway *harness.Gateway) {
	const requests = 50
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, exchangeAllBut("mallory")))
	before := refusalCounters(t, gateway)
	var refused, good []*http.Request
	for range requests {
		refused = append(refused, gateway.Request(t, http.MethodPost, "/", "body", "Host: allow", "Authorization: Bearer mallory"))
		good = append(good, gateway.Request(t, http.MethodPost, "/", "body", "Host: allow", "Authorization: Bearer walter"))
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

// checkTriedAgain has the server take a token that it refused before.
func checkTriedAgain(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.Sequence(harness.Refusal(400, "invalid_grant"), harness.ExchangeServer(3600)))
	for deadline := time.Now().Add(harness.Limit); ; time.Sleep(20 * time.Millisecond) {
		answer := gateway.Get(t, "/", "Host: brief", "Authorization: Bearer erin")
		if answer.Status == 200 {
			break
		}
		if harness.CheckRefusedSubject(t, answer); t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the token service is not called again")
		}
	}
	harness.CheckBackoff(t, gateway.Token.Calls(), 500*time.Millisecond, time.Second)
}

// checkExpiredSubject sends JWTs that no server needs to be asked about.
func checkExpiredSubject(t *testing.T, gateway *harness.Gateway) {
	now := time.Now().Unix()
	ended := now - int64(harness.SubjectLeeway.Seconds())
	expired := map[string]string{
		"long ago":      `{"exp":1}`,
		"with fraction": fmt.Sprintf(`{"exp":%d.5,"sub":"alice"}`, ended-1),
		"other claims":  fmt.Sprintf(`{"nbf":1,"iat":1,"a":{"exp":9999999999},"exp":%d}`, ended),
	}
	for failure := range refusedFailures {
		for name, claims := range expired {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Forget()
				gateway.Upstream.Forget()
				harness.CheckUnauthorized(t, gateway.Get(t, "/", "Host: "+failure, "Authorization: Bearer "+harness.UnsignedJWT(claims)), harness.InvalidToken)
				gateway.Upstream.CheckNotReached(t)
				if calls := gateway.Token.Calls(); len(calls) != 0 {
					t.Errorf("the token service received %+v", calls)
				}
			})
		}
	}
	// What can't be told is for the server to say.
	for _, claims := range []string{fmt.Sprintf(`{"exp":%d}`, now+3600), fmt.Sprintf(`{"exp":%d}`, now-1), `{"sub":"alice"}`, `{"exp":"1"}`, `{"exp":null}`, `{"exp":1`} {
		t.Run(claims, func(t *testing.T) {
			gateway.Token.Forget()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain", "Authorization: Bearer "+harness.UnsignedJWT(claims)), 200)
			gateway.Token.WaitCalls(t, 1)
		})
	}
}
