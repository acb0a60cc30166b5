package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// rejectingUpstream answers 401 below /login, regardless of the token, and 200 elsewhere.
func rejectingUpstream(r *http.Request) int {
	if strings.HasPrefix(r.URL.Path, "/login") {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

// outages are what the token service does from some moment on. The token that it gave before lives for an hour.
var outages = map[string]http.HandlerFunc{
	"503":        harness.Status(503),
	"429":        harness.Status(429),
	"hangs":      harness.Hang(),
	"resets":     harness.Reset(),
	"is-stopped": nil, // nothing listens
	// It answers, if not as one would like: the gateway's token has not expired, so that it serves on.
	"refuses":  harness.JSON(401, `{"error":"invalid_client"}`),
	"no-token": harness.Status(200),
}

// One request that its upstream answers 401, while the token service is down, must cost no other request its token: before
// and after it, all of twelve are served, on each worker.
func TestRejectedTokenWhileServiceIsDown(t *testing.T) {
	for _, workers := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			t.Parallel()
			var rules []any
			for _, staleIfError := range []int{0, 300} {
				for name := range outages {
					host := fmt.Sprintf("%s-%d", name, staleIfError)
					rules = append(rules, map[string]any{
						"_match_domain_": []string{host}, "serviceName": harness.TokenName, "requestPath": "/" + host, "tokenHeader": "X-Token",
						"timeout": 1000, "cache": map[string]any{"ttl": 3600, "staleIfError": staleIfError},
					})
				}
			}
			gateway := harness.Start(t, harness.Options{Workers: workers, Config: map[string]any{"_rules_": rules}})
			gateway.Upstream.Respond(rejectingUpstream)
			rejected := 0
			for _, staleIfError := range []int{0, 300} {
				for name, outage := range outages {
					rejected++
					t.Run(fmt.Sprintf("%s, staleIfError %d", name, staleIfError), func(t *testing.T) {
						checkRejectedInOutage(t, gateway, fmt.Sprintf("%s-%d", name, staleIfError), outage, workers)
					})
				}
			}
			gateway.WaitCounter(t, "invalidated", rejected)
		})
	}
}

func checkRejectedInOutage(t *testing.T, gateway *harness.Gateway, host string, outage http.HandlerFunc, workers int) {
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	gateway.Token.Forget()
	checkServed(t, gateway, host, "before the outage", "token-1")
	if outage == nil {
		gateway.Token.Stop()
		defer gateway.Token.Resume(t)
	} else {
		gateway.Token.Handle(outage)
	}
	checkServed(t, gateway, host, "in the outage", "token-1")
	if answer := gateway.Get(t, "/login", "Host: "+host); answer.Status != http.StatusUnauthorized {
		t.Fatalf("answered %d, want the upstream's 401", answer.Status)
	}
	checkServed(t, gateway, host, "after the rejection", "token-1")
	if calls := len(gateway.Token.Calls()); calls > 1+2*workers {
		t.Errorf("%d token calls, want the first and few more", calls)
	}

	gateway.Token.Resume(t)
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-2"))
	for deadline := time.Now().Add(20 * time.Second); get(t, gateway, host) != "200 token-2"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no new token 20 s after the outage")
		}
	}
}

// checkServed sends twelve requests, each on its own connection, so that all workers get some.
func checkServed(t *testing.T, gateway *harness.Gateway, host, when, token string) {
	t.Helper()
	answers := map[string]int{}
	for range 12 {
		answers[get(t, gateway, host)]++
	}
	if want := "200 " + token; answers[want] != 12 {
		t.Errorf("%s: answers %v, want 12 of %q", when, answers, want)
	}
}

// get is the status and the token that the upstream was sent.
func get(t *testing.T, gateway *harness.Gateway, host string) string {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := harness.Send(client, gateway.Request(t, http.MethodGet, "/", "", "Host: "+host))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK {
		return fmt.Sprintf("%d %q", answer.Status, answer.Body)
	}
	return fmt.Sprintf("%d %s", answer.Status, gateway.Upstream.Last(t).Header.Get("X-Token"))
}
