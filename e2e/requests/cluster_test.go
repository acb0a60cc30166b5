package requests_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// clusterCase is a configuration, and what its requests get while the token service's cluster
// is there, while it is not, and when it is taken away while their call is under way.
type clusterCase struct {
	more                   map[string]any
	there, gone, takenAway harness.Answer
}

var (
	withToken    = harness.Answer{Status: http.StatusOK, Body: "token"}
	withoutToken = harness.Answer{Status: http.StatusOK}
	failedReply  = harness.Answer{Status: http.StatusInternalServerError, Body: "http call failed"}
	ownReply     = harness.Answer{Status: http.StatusTeapot, Body: "denied"}
)

var (
	deny         = map[string]any{"status": 418, "body": "denied"}
	soon         = map[string]any{"backoff": 50}
	clusterCases = map[string]clusterCase{
		"plain":       {nil, withToken, withoutToken, failedReply},
		"denied":      {map[string]any{"failure": deny}, withToken, ownReply, ownReply},
		"allowed":     {map[string]any{"failure": harness.Allow}, withToken, withoutToken, withoutToken},
		"cached":      {map[string]any{"cache": soon, "failure": deny}, withToken, ownReply, ownReply},
		"cached-deny": {map[string]any{"cache": soon}, withToken, failedReply, failedReply},
		"caller":      {map[string]any{"cache": soon, "failure": harness.Allow, "forwardHeaders": []string{"X-User"}}, withToken, withoutToken, withoutToken},
		"warm":        {map[string]any{"cache": map[string]any{}}, withToken, withToken, withToken},
	}
)

// TestClusterRemoved takes the token service's cluster away and gives it back, as a control plane
// does when a service source is removed, while requests wait.
func TestClusterRemoved(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{}
	for host, test := range clusterCases {
		configs[host] = harness.PlainConfig(test.more)
		configs[host]["requestPath"] = "/" + host
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(answerUncached)
	check := func(t *testing.T, choose func(clusterCase) harness.Answer) {
		t.Helper()
		for range 20 {
			for host, test := range clusterCases {
				checkClusterAnswer(t, host, sendForged(t, gateway, host), choose(test))
			}
		}
	}
	check(t, func(c clusterCase) harness.Answer { return c.there })
	for round := range 3 {
		t.Run(fmt.Sprint("round ", round+1), func(t *testing.T) {
			gateway.Token.Handle(harness.Hang())
			gateway.Token.Forget()
			waiting := map[string]*harness.Parallel{}
			for _, host := range []string{"plain", "denied", "allowed", "warm"} {
				waiting[host] = harness.SendParallel(gateway.Client(), gateway.Requests(t, host, 5)...)
			}
			gateway.Token.WaitCalls(t, 15) // the host "warm" needs none
			removed := time.Now()
			gateway.SetTokenCluster(t, false)
			for host, requests := range waiting {
				for _, result := range requests.Wait() {
					checkClusterAnswer(t, host, result, clusterCases[host].takenAway)
					if late := result.AnsweredAt.Sub(removed); late > 3*time.Second {
						t.Errorf("%s was answered %s after the cluster was gone", host, late)
					}
				}
			}
			check(t, func(c clusterCase) harness.Answer { return c.gone })

			gateway.Token.Handle(answerUncached)
			gateway.SetTokenCluster(t, true)
			waitServed(t, gateway)
			check(t, func(c clusterCase) harness.Answer { return c.there })
		})
	}
	gateway.WaitActive(t, 0)
}

// answerUncached gives all but one host a token for one call only.
func answerUncached(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", "token")
	if r.URL.Path != "/warm" {
		w.Header().Set("Cache-Control", "no-store")
	}
}

func sendForged(t *testing.T, gateway *harness.Gateway, host string) harness.Result {
	t.Helper()
	return gateway.Ask(t, host, "X-Token: forged", "X-User: user")
}

// isClusterAnswer compares the token when the request went on, and the reply when it did not.
func isClusterAnswer(got harness.Result, want harness.Answer) bool {
	text := got.Body
	if got.Status == http.StatusOK {
		text = got.Token()
	}
	return got.Err == nil && got.Status == want.Status && text == want.Body
}

func checkClusterAnswer(t *testing.T, host string, got harness.Result, want harness.Answer) {
	t.Helper()
	if !isClusterAnswer(got, want) {
		t.Errorf("%s was answered %d %q (%v), want %d %q", host, got.Status, got.Body, got.Err, want.Status, want.Body)
	}
}

// waitServed returns once every host's requests go on with a token again.
func waitServed(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	harness.Eventually(t, harness.Limit, func() error {
		for host := range clusterCases {
			if got := sendForged(t, gateway, host); !isClusterAnswer(got, withToken) {
				return fmt.Errorf("%s is still answered %d %q (%v)", host, got.Status, got.Body, got.Err)
			}
		}
		return nil
	})
}
