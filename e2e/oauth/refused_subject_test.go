// Package oauth tests the key oauth2: whether independent authorization servers accept the requests, how a client is answered
// whose own token is refused, and what of it reaches the upstream. The form of requests and the parsing of answers are tested
// in internal/tokenservice.
package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// Answers of the server to a caller's token, one of each kind: which are refusals of it is tested in internal/tokenservice.
var (
	refusing = harness.Refusal(400, "invalid_grant")
	failing  = map[string]http.HandlerFunc{
		"invalid_client": harness.Refusal(401, "invalid_client"),
		"a challenge": func(w http.ResponseWriter, _ *http.Request) { // as RFC 6750 has it, which is not how a token endpoint does
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+harness.Leak+`", error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	}
)

// A caller whose own token is refused gets 401, whatever failure says; any other failure is a matter of failure. The client
// learns nothing of the server's answer.
func TestRefusedSubjects(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{}
	for grant, oauth2 := range map[string]map[string]any{"exchange": harness.Exchange, "assertion": harness.Assertion} {
		for mode, failure := range map[string]any{"deny": map[string]any{"status": 503, "body": "no token"}, "plain": nil, "allow": harness.Allow} {
			host := grant + "." + mode
			hosts[host] = harness.OAuth2Config("/"+host, oauth2, map[string]any{"cache": map[string]any{"backoff": 1}, "failure": failure})
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	for host := range hosts {
		grant, mode, _ := strings.Cut(host, ".")
		t.Run(host, func(t *testing.T) {
			gateway.Upstream.Forget()
			before := refusalCounters(t, gateway)
			gateway.Token.Handle(refusing)
			harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer mallory"))
			gateway.Upstream.CheckNotReached(t)
			gateway.WaitGrowth(t, before, harness.Counters{"calls": 1, "call_failures": 0, "subjects_refused": 1, "allowed_without_token": 0})
			for name, answer := range failing {
				gateway.Token.Handle(answer)
				got := gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer "+harness.HostName(name))
				switch mode {
				case "allow":
					harness.CheckStatus(t, got, 200)
					gateway.Upstream.CheckHeader(t, "Authorization")
				case "deny":
					harness.CheckReply(t, got, harness.Reply(503, "no token", "text/plain; charset=utf-8"))
				default:
					harness.CheckReply(t, got, harness.DefaultReply)
				}
				if challenge, text := got.Header.Values("WWW-Authenticate"), fmt.Sprint(got.Header, got.Body); challenge != nil || strings.Contains(text, harness.Leak) {
					t.Errorf("%s: the client received %s", name, text)
				}
			}
		})
		if mode == "allow" {
			t.Run(grant+", waiting", func(t *testing.T) { checkWaitingRefused(t, gateway, host) })
		}
	}
}

// refusalCounters are those that refused subjects concern.
func refusalCounters(t *testing.T, gateway *harness.Gateway) harness.Counters {
	t.Helper()
	return gateway.SettledCounters(t, harness.Counters{"calls": 0, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
}

// checkWaitingRefused has many requests of the refused caller wait for one call, while another caller is served.
func checkWaitingRefused(t *testing.T, gateway *harness.Gateway, host string) {
	const requests = 50
	release := make(chan struct{})
	exchanged := harness.ExchangeServer(3600)
	gateway.Token.Handle(harness.Hold(release, func(w http.ResponseWriter, r *http.Request) {
		if harness.CallerOf(r) == "eve" {
			refusing(w, r)
			return
		}
		exchanged(w, r)
	}))
	gateway.Upstream.Forget()
	before := refusalCounters(t, gateway)
	var refused, good []*http.Request
	for range requests {
		refused = append(refused, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+host, "Authorization: Bearer eve"))
		good = append(good, gateway.Request(t, http.MethodPost, "/", "body", "Host: "+host, "Authorization: Bearer walter"))
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

// Callers whose own credentials the service refuses, as refusedWhen says, get 401, whatever failure says; an outage remains a
// matter of failure. The gateway's own token, with which it makes the calls, is not given up for them.
func TestRefusedCallers(t *testing.T) {
	t.Parallel()
	cache := harness.Config{"ttl": 300, "backoff": 30_000} // nothing is asked for again during the test
	deny := harness.Config{"status": 503}
	introspection := func(failure harness.Config) harness.Config {
		return harness.Config{
			"serviceName": harness.TokenName, "timeout": 10_000, "requestPath": "/introspect", "requestBody": "token=${caller.token}",
			"requestHeaders": harness.Config{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer ${token.login}"},
			"tokenIn":        "body", "tokenHeader": "Authorization", "tokenPrefix": "Bearer ", "cache": cache, "failure": failure,
			"refusedWhen": []any{harness.Config{"status": []int{204, 401}}, harness.Config{"path": "active", "equals": "false"}},
			"tokens":      harness.Config{"login": harness.Config{"serviceName": harness.TokenName, "timeout": 10_000, "requestPath": "/login", "tokenIn": "body"}},
		}
	}
	keys := func(cache any) harness.Config {
		return harness.PlainConfig(harness.Config{"requestPath": "/keys", "forwardHeaders": []string{"X-Api-Key"}, "cache": cache,
			"refusedWhen": []any{harness.Config{"status": []int{401, 403}}}})
	}
	ok, unavailable := harness.Answer{Status: 200}, harness.Answer{Status: 503}
	const plain = `Bearer realm="token-fetch"`
	refused := func(challenge, body string) harness.Answer {
		return harness.Answer{Status: 401, Header: http.Header{"Www-Authenticate": {challenge}}, Body: body}
	}
	token, missing, key := refused(harness.InvalidToken, "the bearer token was refused"), refused(plain, "bearer token required"), refused(plain, "the credentials were refused")
	tests := map[string]struct {
		config harness.Config
		header string
		want   harness.Answer
		calls  int // of two requests
	}{
		"active":                  {introspection(deny), "Authorization: Bearer ann", ok, 1},
		"inactive":                {introspection(deny), "Authorization: bearer inactive", token, 1},
		"no content":              {introspection(harness.Allow), "Authorization: Bearer gone", token, 1},
		"unauthorized":            {introspection(deny), "Authorization: Bearer mallory", token, 1},
		"no token":                {introspection(harness.Allow), "X-Other: a", missing, 0},
		"another scheme":          {introspection(deny), "Authorization: Basic YTpi", missing, 0},
		"an outage":               {introspection(harness.Allow), "Authorization: Bearer down", ok, 1},
		"an outage, denied":       {introspection(deny), "Authorization: Bearer down", unavailable, 1},
		"a key":                   {keys(cache), "X-Api-Key: ann", ok, 1},
		"a wrong key":             {keys(cache), "X-Api-Key: mallory", key, 1},
		"no key":                  {keys(cache), "X-Other: a", key, 1},
		"a wrong key, not cached": {keys(nil), "X-Api-Key: mallory", key, 2},
	}
	hosts := map[string]harness.Config{}
	for name, test := range tests {
		host := harness.HostName(name)
		hosts[host] = harness.Merge(test.config, harness.Config{"requestPath": test.config["requestPath"].(string) + "/" + host})
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts), Workers: 2})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		given := r.PostFormValue("token") + r.Header.Get("X-Api-Key")
		switch isLogin := r.URL.Path == "/login"; {
		case isLogin || given == "ann":
			w.Header().Set("X-Token", "token-of-ann")
			fmt.Fprint(w, "token-of-ann")
		case given == "inactive":
			harness.JSON(200, map[string]any{"active": false, "reason": harness.Leak})(w, r)
		case given == "gone":
			w.WriteHeader(http.StatusNoContent)
		case given == "down":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.Header().Set("WWW-Authenticate", harness.Leak)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: active", "Authorization: Bearer ann"), 200) // the login is not new for the others
	for name, test := range tests {
		host := harness.HostName(name)
		for range 2 {
			answer := gateway.Get(t, "/", "Host: "+host, test.header)
			if answer.Status != test.want.Status || test.want.Status == 401 && answer.Body != test.want.Body {
				t.Errorf("%s: answered %d %q, want %d %q", name, answer.Status, answer.Body, test.want.Status, test.want.Body)
			}
			if test.want.Status == 401 {
				harness.CheckUnauthorized(t, answer, test.want.Header.Get("WWW-Authenticate"))
			}
		}
		gateway.Token.CheckCallsOf(t, strings.TrimPrefix(hosts[host]["requestPath"].(string), "/"), test.calls)
	}
	gateway.Token.CheckCallsOf(t, "login", 1)
}
