// Package requests_test tests single requests: the README's table of outcomes, what reaches the upstream,
// what the token service is asked, and how a denied client is answered.
package requests_test

import (
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// outcome is a row of the contract's table.
type outcome int

const (
	gotToken outcome = iota
	noToken
	callFailed
	notSent // as callFailed, but the gateway could not even begin the call
	noCluster
)

func outcomeOf(reason string) outcome {
	switch reason {
	case "":
		return gotToken
	case "no_token":
		return noToken
	case "not_sent":
		return notSent
	case "no_cluster":
		return noCluster
	}
	return callFailed
}

// mode is a column of the contract's table.
type mode struct {
	name    string
	failure map[string]any // nil: not configured
	denies  map[outcome]bool
	reply   harness.Answer // to a denied request
}

var modes = []mode{
	{
		name:   "sample",
		denies: map[outcome]bool{callFailed: true, notSent: true},
		reply:  harness.DefaultReply,
	},
	{
		name:    "deny",
		failure: map[string]any{"mode": "deny", "status": 503, "body": `{"error": "no tökén"}`, "contentType": "application/json"},
		denies:  map[outcome]bool{noToken: true, callFailed: true, notSent: true, noCluster: true},
		reply:   harness.Reply(503, `{"error": "no tökén"}`, "application/json"),
	},
	{
		name:    "deny by default",
		failure: map[string]any{},
		denies:  map[outcome]bool{noToken: true, callFailed: true, notSent: true, noCluster: true},
		reply:   harness.DefaultReply,
	},
	{
		name:    "allow",
		failure: map[string]any{"mode": "allow", "status": 503},
	},
}

// services are the configurations of the outcomes that don't come from the service's answer.
var services = map[string]map[string]any{
	"header":  {},
	"json":    {"tokenPath": "data.token"},
	"slow":    {"timeout": 300},
	"retry":   {"retries": 1},
	"refused": {"serviceName": harness.DeadName, "servicePort": harness.DeadPort},
	"empty":   {"serviceName": harness.EmptyName},
	"unknown": {"serviceName": "unknown.static"},
}

var outcomes = []struct {
	name    string
	service string
	answer  http.HandlerFunc // nil: the token service is not asked
	reason  string           // of failures_*, where there is no token
	token   string
}{
	{"token", "header", harness.HeaderToken("X-Token", "token-1"), "", "token-1"},
	{"long token", "header", harness.HeaderToken("X-Token", strings.Repeat("t", harness.MaxToken)), "", strings.Repeat("t", harness.MaxToken)},
	{"token after a retry", "retry", harness.Sequence(harness.Status(500), harness.HeaderToken("X-Token", "token-1")), "", "token-1"},
	{"JSON", "json", harness.JSON(200, `{"data": {"token": "token-1"}}`), "", "token-1"},

	{"no header", "header", harness.Status(200), "no_token", ""},
	{"empty header", "header", harness.HeaderToken("X-Token", ""), "no_token", ""},
	{"token too long", "header", harness.HeaderToken("X-Token", strings.Repeat("t", harness.MaxToken+1)), "no_token", ""},
	{"not JSON", "json", harness.JSON(200, `<html>token</html>`), "no_token", ""},
	{"JSON null", "json", harness.JSON(200, `{"data": {"token": null}}`), "no_token", ""},
	{"line break", "json", harness.JSON(200, `{"data": {"token": "a\r\nX-Forged: b"}}`), "no_token", ""},

	{"500", "header", statusWithToken(500), "server_error", ""},
	{"302", "header", statusWithToken(302), "other_status", ""},
	{"401", "header", statusWithToken(401), "other_status", ""},
	{"204", "header", statusWithToken(204), "bad_answer", ""},
	{"timeout", "slow", harness.Hang(), "server_error", ""},
	{"timeout in the body", "slow", harness.HangInBody, "no_answer", ""},
	{"500 after a retry", "retry", statusWithToken(500), "server_error", ""},
	{"reset", "header", harness.Reset(), "server_error", ""},
	{"close", "header", harness.Close(), "server_error", ""},
	{"cut in the body", "header", harness.Raw("HTTP/1.1 200 OK\r\nX-Token: token-1\r\nContent-Length: 10\r\n\r\ntoken"), "no_answer", ""},
	{"not HTTP", "header", harness.Raw("token-1\r\n\r\n"), "server_error", ""},
	{"refused", "refused", nil, "server_error", ""},
	{"empty cluster", "empty", nil, "not_sent", ""},
	{"unknown cluster", "unknown", nil, "no_cluster", ""},
}

// statusWithToken has a token where it must not be read from.
func statusWithToken(status int) http.HandlerFunc {
	return harness.Both(harness.HeaderToken("X-Token", "token-1"), harness.Status(status))
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{}
	for service, config := range services {
		for _, mode := range modes {
			config := harness.PlainConfig(config)
			if mode.failure != nil {
				config["failure"] = mode.failure
			}
			configs[hostOf(service, mode)] = config
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs)})
	for _, test := range outcomes {
		t.Run(test.name, func(t *testing.T) {
			gateway.Token.Handle(test.answer)
			want, outcome := harness.Counters{"calls": 0, "call_failures": 0, "denied": 0, "allowed_without_token": 0}, outcomeOf(test.reason)
			if test.reason != "" {
				want["failures_"+test.reason] = 0
			}
			before := gateway.Counters(t, want)
			for _, mode := range modes {
				t.Run(mode.name, func(t *testing.T) {
					gateway.Upstream.Forget()
					answer := gateway.Do(t, forgingRequest(t, gateway, hostOf(test.service, mode)))
					if mode.denies[outcome] {
						harness.CheckReply(t, answer, mode.reply)
						gateway.Upstream.CheckNotReached(t)
						return
					}
					harness.CheckStatus(t, answer, 200)
					checkToken(t, gateway, test.token)
				})
				count(want, test.reason, mode)
			}
			gateway.WaitGrowth(t, before, want)
		})
	}
}

func hostOf(service string, mode mode) string {
	return service + "." + harness.HostName(mode.name)
}

// forgingRequest brings token headers of its own, in several spellings.
func forgingRequest(t *testing.T, gateway *harness.Gateway, host string) *http.Request {
	t.Helper()
	request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host)
	request.Header["X-Token"] = []string{"forged-1", "forged-2"}
	request.Header["x-token"] = []string{"forged-3"}
	request.Header["x-ToKEN"] = []string{""}
	return request
}

// checkToken fails unless the upstream has received one request with exactly that token,
// or without a token if it is empty.
func checkToken(t *testing.T, gateway *harness.Gateway, token string) {
	t.Helper()
	if requests := gateway.Upstream.Requests(); len(requests) != 1 {
		t.Errorf("the upstream received %d requests", len(requests))
	}
	if token == "" {
		gateway.Upstream.CheckHeader(t, "X-Token")
		return
	}
	gateway.Upstream.CheckHeader(t, "X-Token", token)
}

// count adds what a request with that outcome counts. A call that could not begin
// is none, and so has not failed; a retry belongs to its call.
func count(c harness.Counters, reason string, m mode) {
	o := outcomeOf(reason)
	if reason != "" {
		c["failures_"+reason]++
	}
	if o != notSent && o != noCluster {
		c["calls"]++
	}
	if o == noToken || o == callFailed {
		c["call_failures"]++
	}
	switch {
	case m.denies[o]:
		c["denied"]++
	case o != gotToken:
		c["allowed_without_token"]++
	}
}
