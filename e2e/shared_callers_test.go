package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// hangingTimeout is that of calls to a token service that hangs.
const hangingTimeout = 1500 * time.Millisecond

// TestCallersOfAllWorkers has the workers of a gateway share the tokens of its callers.
func TestCallersOfAllWorkers(t *testing.T) {
	t.Parallel()
	config := func(host string, more map[string]any) map[string]any {
		return oauth2Config("/"+host, exchange, merged(map[string]any{"timeout": 20_000}, more))
	}
	gateway := harness.Start(t, harness.Options{Workers: workers, WasmLog: "warn", Config: byHost(map[string]map[string]any{
		"random":   config("random", nil),
		"few":      config("few", map[string]any{"cache": map[string]any{"maxEntries": 3}}),
		"hanging":  config("hanging", map[string]any{"timeout": hangingTimeout.Milliseconds(), "cache": map[string]any{"backoff": 100}}),
		"refused":  config("refused", map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		"rejected": config("rejected", nil),
		"alone":    config("alone", map[string]any{"cache": map[string]any{"shared": false}}),
	})})
	clients := workerClients(t, gateway)
	for _, client := range clients {
		getBy(t, gateway, client, "other") // opens its connection, for the many requests at once that follow
	}
	tests := map[string]func(*testing.T, *harness.Gateway, []*http.Client){
		"one exchange each":           checkOneExchangeEach,
		"more callers than keys":      checkMoreCallersThanKeys,
		"a worker's exchange hangs":   checkExchangeHangs,
		"refused by the server":       checkRefusedOnce,
		"rejected by the upstream":    checkRejectedOnce,
		"workers that share no token": checkCallersAlone,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(exchangeServer(3600))
			gateway.Upstream.Respond(func(*http.Request) int { return http.StatusOK })
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway, clients)
		})
	}
}

// TestWorkerThatDies has the VM of a worker die when the answer comes that others wait for: they call themselves.
func TestWorkerThatDies(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond
	gateway := harness.Start(t, harness.Options{
		Workers: workers, WasmLog: "warn", Wasm: buildWithFaults(t), Env: map[string]string{"FAULT": "answer-trap"}, StreamIdle: 4 * timeout,
		Config: oauth2Config("/dies", exchange, map[string]any{"timeout": timeout.Milliseconds()}),
	})
	clients := workerClients(t, gateway)
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, exchangeServer(3600)))
	request := func() *http.Request {
		return gateway.Request(t, http.MethodGet, "/", "", "Authorization: Bearer orphan")
	}
	sendParallel(clients[0], request())
	gateway.Token.WaitCalls(t, 1)
	sent := time.Now()
	sendParallel(clients[1], request())
	waitActive(t, gateway, 2)
	close(release)
	second := gateway.Token.WaitCalls(t, 2)[1]
	if waited := second.Time.Sub(sent); waited > timeout+time.Second {
		t.Errorf("the other worker called after %s, want about %s at most", waited, timeout)
	}
}

// askSubjectBy sends a request of the caller with that bearer token.
func askSubjectBy(t *testing.T, gateway *harness.Gateway, client *http.Client, host, subject string) timed {
	t.Helper()
	return getBy(t, gateway, client, host, "Authorization: Bearer "+subject)
}

// exchangedFor is the token that the upstream received, without the number of its exchange, or what else came.
func exchangedFor(result timed) string {
	var header http.Header
	if result.err != nil || json.Unmarshal([]byte(result.Body), &header) != nil {
		return fmt.Sprintf("%d %q (%v)", result.Status, result.Body, result.err)
	}
	token := strings.TrimPrefix(strings.Join(header["Authorization"], " and "), "Bearer ")
	return token[:max(0, strings.LastIndex(token, "-"))]
}

// volleyOf has each of so many callers ask so often, in random order, each time by a worker at random, and some at a time.
func volleyOf(t *testing.T, gateway *harness.Gateway, clients []*http.Client, host string, callers, each int) {
	t.Helper()
	const atOnce = 32
	order := rand.Perm(callers * each)
	var group sync.WaitGroup
	for first := range atOnce {
		spawn(&group, func() {
			for i := first; i < len(order) && !t.Failed(); i += atOnce {
				subject := fmt.Sprint("caller-", order[i]%callers)
				if got := exchangedFor(askSubjectBy(t, gateway, clients[rand.N(len(clients))], host, subject)); got != subject {
					t.Errorf("%s was served with the token of %s", subject, got)
				}
			}
		})
	}
	group.Wait()
}

func checkOneExchangeEach(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	callers := amount(t, "E2E_CALLERS", 1000, 300)
	before := settledCounters(t, gateway, counters{"calls": 0})
	start := time.Now()
	volleyOf(t, gateway, clients, "random", callers, 20)
	t.Logf("%d callers, %d requests in %s: %d exchanges", callers, 20*callers, time.Since(start).Round(time.Millisecond), len(callsOf(gateway, "random")))
	checkCalls(t, gateway, "random", callers)
	waitGrown(t, gateway, before, counters{"calls": callers})
}

// The workers keep 3 callers each, and the store has no more keys for those that they share.
func checkMoreCallersThanKeys(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	volleyOf(t, gateway, clients, "few", 500, 4)
}

// checkExchangeHangs has one worker wait for a server that hangs, and the others for it.
func checkExchangeHangs(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	gateway.Token.Handle(harness.Sequence(harness.Hang(), exchangeServer(3600)))
	var sent []*parallel
	for i, client := range clients {
		sent = append(sent, sendParallel(client, gateway.Request(t, http.MethodGet, "/", "", "Host: hanging", "Authorization: Bearer patient")))
		if i == 0 {
			gateway.Token.WaitCalls(t, 1)
		}
	}
	for i, requests := range sent {
		result := requests.wait()[0]
		checkReply(t, result.Answer, reply(500, "http call failed", "text/plain; charset=utf-8"))
		if took := result.took(); took > hangingTimeout+time.Second {
			t.Errorf("worker %d: answered after %s, want about %s at most", i, took, hangingTimeout)
		}
	}
	checkCalls(t, gateway, "hanging", 1)
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if exchangedFor(askSubjectBy(t, gateway, clients[1], "hanging", "patient")) == "patient" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the caller got no token once the server answered again")
		}
	}
	for _, client := range clients {
		if got := exchangedFor(askSubjectBy(t, gateway, client, "hanging", "patient")); got != "patient" {
			t.Errorf("got %s, want the token that another worker has", got)
		}
	}
	checkCalls(t, gateway, "hanging", 2)
}

// checkRefusedOnce has callers whose token the server refuses, at once on all workers, and later.
func checkRefusedOnce(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	const callers = 20
	gateway.Token.Handle(refusing(400, "invalid_grant"))
	for round := range 3 {
		var sent []*parallel
		for _, client := range clients {
			var requests []*http.Request
			for i := range callers {
				requests = append(requests, gateway.Request(t, http.MethodGet, "/", "", "Host: refused", fmt.Sprint("Authorization: Bearer bad-", i)))
			}
			sent = append(sent, sendParallel(client, requests...))
		}
		for _, requests := range sent {
			for _, result := range requests.wait() {
				checkRefusedSubject(t, result.Answer)
			}
		}
		if calls := len(callsOf(gateway, "refused")); calls != callers {
			t.Errorf("after round %d: %d exchanges for %d callers that were refused, want one each", round, calls, callers)
		}
	}
	checkNotReached(t, gateway)
}

// checkRejectedOnce has the upstream reject a caller's token, on whichever worker it comes.
func checkRejectedOnce(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	for _, client := range clients {
		if got := exchangedFor(askSubjectBy(t, gateway, client, "rejected", "alice")); got != "alice" {
			t.Fatalf("got %s, want the token of alice", got)
		}
	}
	first := "Bearer alice-1"
	gateway.Upstream.Respond(func(r *http.Request) int {
		if r.Header.Get("Authorization") == first {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	})
	before := settledCounters(t, gateway, counters{"invalidated": 0})
	for range 2 {
		for _, client := range clients {
			askSubjectBy(t, gateway, client, "rejected", "alice") // a worker learns of it at the latest when it sees it itself
		}
	}
	for _, client := range clients {
		if result := askSubjectBy(t, gateway, client, "rejected", "alice"); result.Status != http.StatusOK || exchangedFor(result) != "alice" {
			t.Errorf("answered %d with the token of %s, want 200 with the new one of alice", result.Status, exchangedFor(result))
		}
	}
	checkCalls(t, gateway, "rejected", 2)
	waitGrown(t, gateway, before, counters{"invalidated": 1})
}

func checkCallersAlone(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	for range 2 {
		for _, client := range clients {
			if got := exchangedFor(askSubjectBy(t, gateway, client, "alone", "alice")); got != "alice" {
				t.Errorf("got %s, want the token of alice", got)
			}
		}
	}
	checkCalls(t, gateway, "alone", workers)
}
