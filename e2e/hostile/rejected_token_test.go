package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
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
	"503":     harness.Status(503),
	"429":     harness.Status(429),
	"hangs":   harness.Hang(),
	"resets":  harness.Reset(),
	"stopped": nil, // nothing listens
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
			var hosts []string
			handlers := map[string]http.HandlerFunc{} // in the outage, by the path
			for name, outage := range outages {
				for _, staleIfError := range []int{0, 300} {
					host, service := fmt.Sprintf("%s-%d", name, staleIfError), harness.TokenName
					if outage == nil {
						service = "stopped.static"
					}
					hosts, handlers[host] = append(hosts, host), outage
					rules = append(rules, map[string]any{
						"_match_domain_": []string{host}, "serviceName": service, "requestPath": "/" + host, "tokenHeader": "X-Token",
						"timeout": 1000, "cache": map[string]any{"ttl": 3600, "staleIfError": staleIfError},
					})
				}
			}
			stopped := harness.NewTokenService(t)
			gateway := harness.Start(t, harness.Options{Workers: workers, Config: map[string]any{"_rules_": rules},
				Services: []harness.Service{stopped.Service("stopped.static")}})
			gateway.Upstream.Respond(rejectingUpstream)
			// The services of all hosts do the same at the same time: each waits for its own timeouts and backoffs.
			forAll := func(check func(host string)) {
				var group sync.WaitGroup
				for _, host := range hosts {
					group.Go(func() { check(host) })
				}
				group.Wait()
			}
			forAll(func(host string) { checkServed(t, gateway, host, "before the outage", "token-1") })
			gateway.Token.Handle(harness.ByPath(handlers, nil))
			stopped.Stop()
			forAll(func(host string) {
				checkServed(t, gateway, host, "in the outage", "token-1")
				if answer := gateway.Get(t, "/login", "Host: "+host); answer.Status != http.StatusUnauthorized {
					t.Errorf("%s: answered %d, want the upstream's 401", host, answer.Status)
				}
				checkServed(t, gateway, host, "after the rejection", "token-1")
				if calls := len(gateway.Token.CallsOf(host)); calls > 10 { // its waits double
					t.Errorf("%s: %d token calls, want the first and few more", host, calls)
				}
			})
			gateway.Token.Handle(harness.HeaderToken("X-Token", "token-2"))
			stopped.Handle(harness.HeaderToken("X-Token", "token-2"))
			stopped.Resume(t)
			forAll(func(host string) {
				for deadline := time.Now().Add(20 * time.Second); get(t, gateway, host) != "200 token-2"; time.Sleep(50 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Errorf("%s: no new token 20 s after the outage", host)
						return
					}
				}
			})
			gateway.WaitCounter(t, "invalidated", len(hosts))
		})
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
		t.Errorf("%s, %s: answers %v, want 12 of %q", host, when, answers, want)
	}
}

// get is the status and the token that the upstream was sent.
func get(t *testing.T, gateway *harness.Gateway, host string) string {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	got := gateway.AskBy(t, client, host)
	if got.Err != nil || got.Status != http.StatusOK {
		return fmt.Sprintf("%d %q (%v)", got.Status, got.Body, got.Err)
	}
	return fmt.Sprintf("%d %s", got.Status, got.Token())
}
