package caching_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// heldBack are failures of the token service itself, after which it is left alone, whoever asks. What each status says is tested
// in internal/tokenservice; here is what Envoy makes of a service that does not answer.
var heldBack = map[string]struct {
	more    map[string]any // beside what backoffConfig has
	backoff int            // ms
	answer  http.HandlerFunc
}{
	"429 with a date":         {nil, 1, harness.Busy(429, func() string { return time.Now().Add(time.Minute).UTC().Format(http.TimeFormat) })},
	"reset":                   {nil, 30_000, harness.Reset()},
	"timeout":                 {map[string]any{"timeout": 200}, 30_000, harness.Hang()},
	"timeout in the body":     {map[string]any{"timeout": 200}, 30_000, harness.HangInBody},
	"close":                   {nil, 30_000, harness.Close()},
	"cut in the body":         {nil, 30_000, harness.Raw("HTTP/1.1 200 OK\r\nX-Token: t\r\nContent-Length: 10\r\n\r\ntoken")},
	"not HTTP":                {nil, 30_000, harness.Raw("token-1\r\n\r\n")},
	"exchange, invalid_grant": {exchangeInBackoff, 30_000, harness.Refusal(503, "invalid_grant")},
}

// ownRefusals are refusals that tell nothing of other callers.
var ownRefusals = map[string]struct {
	more   map[string]any
	answer http.HandlerFunc
}{
	"403 with Retry-After":    {nil, harness.Busy(403, func() string { return "60" })},
	"no token":                {nil, harness.Status(200)},
	"exchange, invalid_grant": {exchangeInBackoff, harness.Refusal(400, "invalid_grant")},
}

var exchangeInBackoff = map[string]any{
	"tokenHeader": "Authorization",
	"oauth2":      harness.Merge(map[string]any{"clientId": "client", "clientSecret": "secret"}, harness.Exchange),
}

func backoffConfig(host string, backoff int, more map[string]any) map[string]any {
	config := harness.PlainConfig(harness.Merge(map[string]any{"requestPath": "/" + host, "cache": map[string]any{"backoff": backoff}}, more))
	if config["oauth2"] == nil {
		config["forwardHeaders"] = []string{"X-User"}
	}
	return config
}

func heldBackHost(name string) string   { return "held-" + harness.HostName(name) }
func ownRefusalHost(name string) string { return "own-" + harness.HostName(name) }

func TestServiceBackoff(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{
		"again": backoffConfig("again", 1, nil),
	}
	for name, test := range heldBack {
		hosts[heldBackHost(name)] = backoffConfig(heldBackHost(name), test.backoff, test.more)
	}
	for name, test := range ownRefusals {
		hosts[ownRefusalHost(name)] = backoffConfig(ownRefusalHost(name), 30_000, test.more)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	t.Run("held back", func(t *testing.T) { checkServiceHeldBack(t, gateway) })
	t.Run("of one caller", func(t *testing.T) { checkOwnRefusals(t, gateway) })
	t.Run("called again", func(t *testing.T) { checkCalledAgain(t, gateway) })
}

// askAs sends the request of one caller, by whichever header tells callers apart.
func askAs(t *testing.T, gateway *harness.Gateway, host, caller string) harness.Result {
	t.Helper()
	return gateway.Ask(t, host, "X-User: "+caller, "Authorization: Bearer "+caller)
}

func checkServiceHeldBack(t *testing.T, gateway *harness.Gateway) {
	const callers = 100
	for name, test := range heldBack {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(test.answer)
			for i := range callers {
				if result := askAs(t, gateway, heldBackHost(name), fmt.Sprint("caller-", i)); result.Status < 500 || result.Body != "http call failed" {
					t.Fatalf("a caller was answered %d %q (%v)", result.Status, result.Body, result.Err)
				}
			}
			gateway.Token.CheckCallsOf(t, heldBackHost(name), 1)
		})
	}
}

func checkOwnRefusals(t *testing.T, gateway *harness.Gateway) {
	const callers = 10
	for name, test := range ownRefusals {
		t.Run(name, func(t *testing.T) {
			host := ownRefusalHost(name)
			gateway.Token.Handle(test.answer)
			for range 2 {
				for i := range callers {
					if result := askAs(t, gateway, host, fmt.Sprint("caller-", i)); result.Status < 400 {
						t.Fatalf("a caller was answered %d %q (%v)", result.Status, result.Body, result.Err)
					}
				}
			}
			gateway.Token.CheckCallsOf(t, host, callers)
			gateway.Token.Handle(harness.Both(harness.HeaderToken("X-Token", "t"), harness.JSON(200, `{"access_token":"t"}`)))
			if result := askAs(t, gateway, host, "alice"); result.Status != http.StatusOK {
				t.Errorf("another caller was answered %d %q (%v)", result.Status, result.Body, result.Err)
			}
			gateway.Token.CheckCallsOf(t, host, callers+1)
		})
	}
}

// checkCalledAgain has the service ask for two seconds, and a new caller each time.
func checkCalledAgain(t *testing.T, gateway *harness.Gateway) {
	const wait, callers = 2 * time.Second, 10
	gateway.Token.Handle(harness.Sequence(harness.Busy(429, func() string { return "2" }), harness.HeaderToken("X-Token", "t")))
	good := 0
	deadline := time.Now().Add(harness.Limit)
	for i := 0; good < callers && time.Now().Before(deadline); i++ {
		if askAs(t, gateway, "again", fmt.Sprint("caller-", i)).Status == http.StatusOK {
			good++
			continue
		}
		if good != 0 {
			t.Fatal("a caller was held back after one that was not")
		}
		time.Sleep(10 * time.Millisecond)
	}
	calls := gateway.Token.CallsOf("again")
	if good != callers || len(calls) != 1+callers {
		t.Fatalf("%d of %d callers had a token, after %d calls", good, callers, len(calls))
	}
	if gap := calls[1].Time.Sub(calls[0].Time); gap < wait || gap > wait+wait/5+time.Second {
		t.Errorf("the service was called again after %s, want %s", gap, wait)
	}
}
