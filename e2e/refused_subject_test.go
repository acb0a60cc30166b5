package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
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
func refusedHost(failure, name string) string { return hostName(failure + "." + name) }

func TestRefusedSubjects(t *testing.T) {
	t.Parallel()
	for name, grant := range map[string]map[string]any{"token exchange": exchange, "assertion": assertion} {
		t.Run(name, func(t *testing.T) { testRefusedSubjects(t, grant) })
	}
}

func testRefusedSubjects(t *testing.T, grant map[string]any) {
	t.Parallel()
	hosts := map[string]map[string]any{}
	add := func(host string, failure any, backoff int) {
		hosts[host] = oauth2Config("/"+host, grant, map[string]any{"cache": map[string]any{"backoff": backoff}, "failure": failure})
	}
	add("brief", nil, 500)
	for failure, config := range refusedFailures {
		add(failure, config, 30_000)
		for name := range otherRefusals {
			add(refusedHost(failure, name), config, 30_000)
		}
	}
	gateway := harness.Start(t, harness.Options{Config: byHost(hosts)})
	tests := map[string]func(*testing.T, *harness.Gateway){
		"refused":     checkSubjectsRefused,
		"failed":      checkExchangesFailed,
		"remembered":  checkRefusalRemembered,
		"waiting":     checkWaitingRefused,
		"tried again": checkTriedAgain,
		"expired":     checkExpiredSubject,
	}
	checkExchanges(t, gateway, tests)
}

// checkUnauthorized checks the answer to a client whose own token is the reason.
func checkUnauthorized(t *testing.T, answer harness.Answer, challenge string) {
	t.Helper()
	if got := answer.Header.Values("WWW-Authenticate"); answer.Status != 401 || !slices.Equal(got, []string{challenge}) {
		t.Errorf("answered %d %q with WWW-Authenticate %q, want 401 with %q", answer.Status, answer.Body, got, challenge)
	}
	if text := fmt.Sprint(answer.Header, answer.Body); strings.Contains(text, leak) {
		t.Errorf("the client received something of the server's answer: %s", text)
	}
}

func checkRefusedSubject(t *testing.T, answer harness.Answer) {
	t.Helper()
	checkUnauthorized(t, answer, invalidToken)
	if answer.Body != refusedBody {
		t.Errorf("answered %q, want %q", answer.Body, refusedBody)
	}
}

// refusalCounters are those that refused subjects concern.
func refusalCounters(t *testing.T, gateway *harness.Gateway) counters {
	t.Helper()
	return settledCounters(t, gateway, counters{"calls": 0, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
}

func checkSubjectsRefused(t *testing.T, gateway *harness.Gateway) {
	for failure := range refusedFailures {
		for name, refusal := range subjectRefusals {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Handle(refusal)
				checkRefusedSubject(t, gateway.Get(t, "/", "Host: "+failure, "Authorization: Bearer "+hostName(name)))
			})
		}
	}
	checkNotReached(t, gateway)
	before := refusalCounters(t, gateway)
	gateway.Token.Handle(refusing(400, "invalid_grant"))
	for i := range 10 {
		checkRefusedSubject(t, gateway.Get(t, "/", "Host: allow", fmt.Sprint("Authorization: Bearer counted-", i)))
	}
	waitGrown(t, gateway, before, counters{"calls": 10, "call_failures": 0, "subjects_refused": 10, "allowed_without_token": 0})
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
					checkStatus(t, answer, 200)
					checkHeader(t, gateway, "Authorization")
				case "deny":
					checkReply(t, answer, reply(503, "no token", "text/plain; charset=utf-8"))
				default:
					checkReply(t, answer, reply(500, "http call failed", "text/plain; charset=utf-8"))
				}
				if challenge, text := answer.Header.Values("WWW-Authenticate"), fmt.Sprint(answer.Header, answer.Body); challenge != nil || strings.Contains(text, leak) {
					t.Errorf("the client received %s", text)
				}
			})
		}
	}
	t.Run("counters", func(t *testing.T) {
		before := refusalCounters(t, gateway)
		gateway.Token.Handle(refusing(400, "invalid_scope"))
		for i := range 10 {
			checkStatus(t, gateway.Get(t, "/", "Host: allow", fmt.Sprint("Authorization: Bearer scope-", i)), 200)
		}
		waitGrown(t, gateway, before, counters{"calls": 10, "call_failures": 10, "subjects_refused": 0, "allowed_without_token": 10})
	})
}

// exchangeAllBut refuses one subject and exchanges all others.
func exchangeAllBut(refused string) http.HandlerFunc {
	exchanged, refusal := exchangeServer(3600), refusing(400, "invalid_grant")
	return func(w http.ResponseWriter, r *http.Request) {
		if callerOf(r) == refused {
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
		checkStatus(t, ask("alice"), 200)
		checkRefusedSubject(t, ask("bob"))
		checkStatus(t, ask("carol"), 200)
	}
	gateway.Token.Handle(exchangeServer(3600)) // and would take bob now
	checkRefusedSubject(t, ask("bob"))
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
	refusedAnswers, goodAnswers := sendAll(gateway.Client(), refused...), sendAll(gateway.Client(), good...)
	waitActive(t, gateway, 2*requests)
	close(release)
	for range requests {
		checkRefusedSubject(t, await(t, refusedAnswers))
		checkStatus(t, await(t, goodAnswers), 200)
	}
	if received := len(gateway.Upstream.Requests()); received != requests {
		t.Errorf("the upstream received %d requests, want the %d of the other caller", received, requests)
	}
	waitGrown(t, gateway, before, counters{"calls": 2, "call_failures": 0, "subjects_refused": requests, "allowed_without_token": 0})
}

// checkTriedAgain has the server take a token that it refused before.
func checkTriedAgain(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.Sequence(refusing(400, "invalid_grant"), exchangeServer(3600)))
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		answer := gateway.Get(t, "/", "Host: brief", "Authorization: Bearer erin")
		if answer.Status == 200 {
			break
		}
		if checkRefusedSubject(t, answer); t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the token service is not called again")
		}
	}
	checkGaps(t, gateway.Token.Calls(), 500*time.Millisecond, time.Second)
}

// checkExpiredSubject sends JWTs that no server needs to be asked about.
func checkExpiredSubject(t *testing.T, gateway *harness.Gateway) {
	now := time.Now().Unix()
	expired := map[string]string{
		"long ago":      `{"exp":1}`,
		"a second ago":  fmt.Sprintf(`{"sub":"alice","exp":%d}`, now-1),
		"with fraction": fmt.Sprintf(`{"exp":%d.5,"sub":"alice"}`, now-2),
		"other claims":  fmt.Sprintf(`{"nbf":1,"iat":1,"a":{"exp":9999999999},"exp":%d}`, now-1),
	}
	for failure := range refusedFailures {
		for name, claims := range expired {
			t.Run(failure+"/"+name, func(t *testing.T) {
				gateway.Token.Forget()
				gateway.Upstream.Forget()
				checkUnauthorized(t, gateway.Get(t, "/", "Host: "+failure, "Authorization: Bearer "+unsignedJWT(claims)), invalidToken)
				checkNotReached(t, gateway)
				if calls := gateway.Token.Calls(); len(calls) != 0 {
					t.Errorf("the token service received %+v", calls)
				}
			})
		}
	}
	// What can't be told is for the server to say.
	for _, claims := range []string{fmt.Sprintf(`{"exp":%d}`, now+3600), `{"sub":"alice"}`, `{"exp":"1"}`, `{"exp":null}`, `{"exp":1`} {
		t.Run(claims, func(t *testing.T) {
			gateway.Token.Forget()
			checkStatus(t, gateway.Get(t, "/", "Host: plain", "Authorization: Bearer "+unsignedJWT(claims)), 200)
			gateway.Token.WaitCalls(t, 1)
		})
	}
}
