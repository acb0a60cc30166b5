package workers_test

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

// TestCallersOfAllWorkers has the workers of a gateway share the tokens of its callers. More callers than keys, and those that
// are refused, are tested in internal/share.
func TestCallersOfAllWorkers(t *testing.T) {
	t.Parallel()
	config := func(host string, more map[string]any) map[string]any {
		return harness.OAuth2Config("/"+host, harness.Exchange, harness.Merge(map[string]any{"timeout": 20_000}, more))
	}
	gateway := harness.Start(t, harness.Options{Workers: workers, WasmLog: "warn", Config: harness.ByHost(map[string]map[string]any{
		"random":  config("random", nil),
		"hanging": config("hanging", map[string]any{"timeout": hangingTimeout.Milliseconds(), "cache": map[string]any{"backoff": 100}}),
	})})
	clients := gateway.WorkerClients(t)
	for _, client := range clients {
		gateway.AskBy(t, client, "other") // opens its connection, for the many requests at once that follow
	}
	t.Run("one exchange each", func(t *testing.T) { checkOneExchangeEach(t, gateway, clients) })
	t.Run("a worker's exchange hangs", func(t *testing.T) { checkExchangeHangs(t, gateway, clients) })
}

// askSubjectBy sends a request of the caller with that bearer token.
func askSubjectBy(t *testing.T, gateway *harness.Gateway, client *http.Client, host, subject string) harness.Result {
	t.Helper()
	return gateway.AskBy(t, client, host, "Authorization: Bearer "+subject)
}

// exchangedFor is the token that the upstream received, without the number of its exchange, or what else came.
func exchangedFor(result harness.Result) string {
	var header http.Header
	if result.Err != nil || json.Unmarshal([]byte(result.Body), &header) != nil {
		return fmt.Sprintf("%d %q (%v)", result.Status, result.Body, result.Err)
	}
	token := strings.TrimPrefix(strings.Join(header["Authorization"], " and "), "Bearer ")
	return token[:max(0, strings.LastIndex(token, "-"))]
}

// checkOneExchangeEach has each of a thousand callers ask twenty times, in random order, each time by a worker at random, and
// some at a time.
func checkOneExchangeEach(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	const each, atOnce = 20, 32
	callers := harness.Amount(t, "E2E_CALLERS", 1000, 300)
	gateway.Token.Handle(harness.ExchangeServer(3600))
	before := gateway.SettledCounters(t, harness.Counters{"calls": 0})
	order := rand.Perm(callers * each)
	var group sync.WaitGroup
	for first := range atOnce {
		group.Go(func() {
			for i := first; i < len(order) && !t.Failed(); i += atOnce {
				subject := fmt.Sprint("caller-", order[i]%callers)
				if got := exchangedFor(askSubjectBy(t, gateway, clients[rand.N(len(clients))], "random", subject)); got != subject {
					t.Errorf("%s was served with the token of %s", subject, got)
				}
			}
		})
	}
	group.Wait()
	gateway.Token.CheckCallsOf(t, "random", callers)
	gateway.WaitGrowth(t, before, harness.Counters{"calls": callers})
	gateway.Token.Forget()
}

// checkExchangeHangs has one worker wait for a server that hangs, and the others for it.
func checkExchangeHangs(t *testing.T, gateway *harness.Gateway, clients []*http.Client) {
	gateway.Token.Handle(harness.Sequence(harness.Hang(), harness.ExchangeServer(3600)))
	var sent []*harness.Parallel
	for i, client := range clients {
		sent = append(sent, harness.SendParallel(client, gateway.Request(t, http.MethodGet, "/", "", "Host: hanging", "Authorization: Bearer patient")))
		if i == 0 {
			gateway.Token.WaitCalls(t, 1)
			time.Sleep(hangingTimeout / 5) // for a machine on which one worker is held up for as long
		}
	}
	for i, requests := range sent {
		result := requests.Wait()[0]
		harness.CheckReply(t, result.Answer, harness.DefaultReply)
		if took := result.Took(); took > hangingTimeout+time.Second {
			t.Errorf("worker %d: answered after %s, want about %s at most", i, took, hangingTimeout)
		}
	}
	gateway.Token.CheckCallsOf(t, "hanging", 1)
	harness.Eventually(t, harness.Limit, func() error {
		if got := exchangedFor(askSubjectBy(t, gateway, clients[1], "hanging", "patient")); got != "patient" {
			return fmt.Errorf("got %s, want the caller's token now that the server answers again", got)
		}
		return nil
	})
	for _, client := range clients {
		if got := exchangedFor(askSubjectBy(t, gateway, client, "hanging", "patient")); got != "patient" {
			t.Errorf("got %s, want the token that another worker has", got)
		}
	}
	gateway.Token.CheckCallsOf(t, "hanging", 2)
}
