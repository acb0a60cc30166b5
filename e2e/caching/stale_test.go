package caching_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// staleCases are what the token service answers once its first token has expired. Only when it
// can't answer may that token serve on; any other answer takes it away for good.
var staleCases = map[string]struct {
	config map[string]any
	answer http.HandlerFunc
	serves bool
}{
	"timeout":                  {staleTimeout, harness.Hang(), true},
	"timeout in the body":      {staleTimeout, harness.HangInBody, true},
	"reset":                    {nil, harness.Reset(), true},
	"close":                    {nil, harness.Close(), true},
	"cut in the body":          {nil, harness.Raw("HTTP/1.1 200 OK\r\nX-Token: t\r\nContent-Length: 10\r\n\r\ntoken"), true},
	"not HTTP":                 {nil, harness.Raw("token-1\r\n\r\n"), true},
	"500":                      {nil, harness.Status(500), true},
	"503":                      {nil, harness.Status(503), true},
	"429":                      {nil, harness.Status(429), true},
	"503, allowed":             {staleAllowed, harness.Status(503), true},
	"500 with a grant's error": {staleOAuth2, harness.JSON(500, `{"error":"invalid_grant"}`), true},
	"503 to oauth2":            {staleOAuth2, harness.Status(503), true},

	"400":                 {nil, harness.Status(400), false},
	"401":                 {nil, harness.Status(401), false},
	"403":                 {nil, harness.Status(403), false},
	"302":                 {nil, harness.StatusWithToken(302), false},
	"no token":            {nil, harness.Status(200), false},
	"token too long":      {nil, harness.HeaderToken("X-Token", strings.Repeat("t", harness.MaxToken+1)), false},
	"403, allowed":        {staleAllowed, harness.Status(403), false},
	"no token, allowed":   {staleAllowed, harness.Status(200), false},
	"condition fails":     {staleCondition, harness.HeaderToken("X-Token", "t"), false},
	"invalid_grant":       {staleOAuth2, harness.JSON(400, `{"error":"invalid_grant"}`), false},
	"invalid_client":      {staleOAuth2, harness.JSON(401, `{"error":"invalid_client"}`), false},
	"unauthorized_client": {staleOAuth2, harness.JSON(400, `{"error":"unauthorized_client"}`), false},
	"error in a 200":      {staleOAuth2, harness.JSON(200, `{"error":"invalid_grant"}`), false},
	"HTML":                {staleOAuth2, harness.Text("text/html", "<html>"), false},
}

var (
	staleTimeout   = map[string]any{"timeout": 300}
	staleAllowed   = map[string]any{"failure": map[string]any{"mode": "allow"}}
	staleCondition = map[string]any{"successWhen": []any{map[string]any{"header": "X-Result", "equals": "ok"}}}
	staleOAuth2    = map[string]any{
		"oauth2":      map[string]any{"clientId": "client", "clientSecret": "secret"},
		"tokenPrefix": "",
	}
)

const (
	staleLifetime = 2 * time.Second
	staleBackoff  = 300 * time.Millisecond
)

// staleCache lets expired tokens serve for far longer than these tests take.
var staleCache = map[string]any{"staleIfError": 60, "refreshBefore": 0, "backoff": staleBackoff.Milliseconds()}

// freshToken gives a token of staleLifetime, wherever it is read from.
func freshToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", "fresh")
	w.Header().Set("X-Result", "ok")
	harness.JSON(200, map[string]any{"access_token": "fresh", "expires_in": staleLifetime.Seconds()})(w, r)
}

func TestStaleTokens(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{}
	answers := map[string]http.HandlerFunc{}
	switches := map[string]*harness.AnswerSwitch{}
	for name, test := range staleCases {
		host := harness.HostName(name)
		hosts[host] = harness.PlainConfig(harness.Merge(map[string]any{"requestPath": "/" + host, "cache": staleCache}, test.config))
		switches[name] = harness.NewAnswerSwitch(freshToken)
		answers[host] = switches[name].Answer
	}
	for host := range staleHosts {
		switches[host] = harness.NewAnswerSwitch(freshToken)
		answers[host] = switches[host].Answer
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts, staleHosts)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	// All cases at the same time, as most of it is waiting.
	var group sync.WaitGroup
	observed := map[string][]string{}
	var mu sync.Mutex // guards observed
	for name, test := range staleCases {
		group.Go(func() {
			served := observeStale(t, gateway, harness.HostName(name), switches[name], test.answer)
			mu.Lock()
			defer mu.Unlock()
			observed[name] = served
		})
	}
	group.Wait()
	for name, test := range staleCases {
		t.Run(name, func(t *testing.T) {
			without := servedDenied
			if allowed := test.config["failure"] != nil; allowed {
				without = servedWithout
			}
			want := []string{servedToken, without, without, without, servedToken}
			if test.serves {
				want = []string{servedToken, servedToken, servedToken, servedToken, servedToken}
			}
			if got := observed[name]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("before the answer, after it, at once again, in the outage, at the end: requests got %q, want %q", got, want)
			}
		})
	}
	t.Run("of", func(t *testing.T) {
		for host, check := range map[string]func(*testing.T, *harness.Gateway, *harness.AnswerSwitch){
			"callers": checkStaleCallers, "subject": checkStaleSubject, "renewed": checkRefusedRenewal,
		} {
			t.Run(host, func(t *testing.T) {
				t.Parallel()
				check(t, gateway, switches[host])
			})
		}
	})
	t.Run("service stopped", func(t *testing.T) { checkServiceStopped(t, gateway, switches["500"]) })
}

// What a request got.
const (
	servedToken   = "the token"
	servedWithout = "no token"
	servedDenied  = "a denial"
)

// observeStale says what requests got: with a fresh token, after its end with the answer, at once
// after that, when the service is out of order, and when it is well again. It may be called from
// any goroutine.
func observeStale(t *testing.T, gateway *harness.Gateway, host string, service *harness.AnswerSwitch, answer http.HandlerFunc) []string {
	served := []string{serve(t, gateway, host)}
	time.Sleep(staleLifetime + 100*time.Millisecond)
	service.Set(answer)
	served = append(served, serve(t, gateway, host), serve(t, gateway, host))
	// Twice the backoff and its fifth, as a second failure doubles it.
	time.Sleep(2*staleBackoff + staleBackoff/2)
	service.Set(harness.Status(http.StatusServiceUnavailable))
	served = append(served, serve(t, gateway, host))
	service.Set(freshToken)
	for deadline := time.Now().Add(harness.Limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		calls := len(gateway.Token.CallsOf(host))
		if last := serve(t, gateway, host); last == servedToken && calls < len(gateway.Token.CallsOf(host)) {
			return append(served, last)
		}
	}
	return append(served, "no token again")
}

// serve says what a request got. It may be called from any goroutine.
func serve(t *testing.T, gateway *harness.Gateway, host string, headers ...string) string {
	result := gateway.Ask(t, host, headers...)
	switch {
	case result.Err != nil:
		return result.Err.Error()
	case result.Status == http.StatusOK && result.Token() == "fresh":
		return servedToken
	case result.Status == http.StatusOK && result.Token() == "":
		return servedWithout
	case result.Status == http.StatusInternalServerError && result.Body == "http call failed":
		return servedDenied
	}
	return fmt.Sprintf("%d %q", result.Status, result.Body)
}

// checkServiceStopped has a service that refuses connections.
func checkServiceStopped(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	service.Set(freshToken)
	host := "500"
	time.Sleep(staleLifetime)
	if got := serve(t, gateway, host); got != servedToken {
		t.Fatalf("the first request got %s", got)
	}
	gateway.Token.Stop()
	defer gateway.Token.Resume(t)
	time.Sleep(staleLifetime + 100*time.Millisecond)
	for range 3 {
		if got := serve(t, gateway, host); got != servedToken {
			t.Errorf("with no connection, a request got %s, want the stale token", got)
		}
	}
}

// staleHosts are those of tests of their own.
var staleHosts = map[string]map[string]any{
	"callers": harness.PlainConfig(map[string]any{"requestPath": "/callers", "cache": staleCache, "forwardHeaders": []string{"X-User"}}),
	"subject": harness.OAuth2Config("/subject", harness.Exchange, map[string]any{"cache": staleCache}),
	"renewed": harness.PlainConfig(map[string]any{"requestPath": "/renewed", "cache": map[string]any{"staleIfError": 60, "refreshBefore": 2, "backoff": 100}}),
}

// checkStaleCallers has the service refuse one caller and then break down for all.
func checkStaleCallers(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	const alice, bob = "X-User: alice", "X-User: bob"
	for _, caller := range []string{alice, bob} {
		if got := serve(t, gateway, "callers", caller); got != servedToken {
			t.Fatalf("%s got %s", caller, got)
		}
	}
	time.Sleep(staleLifetime + 100*time.Millisecond)
	service.Set(harness.Status(http.StatusForbidden))
	if got := serve(t, gateway, "callers", alice); got != servedDenied {
		t.Errorf("the refused caller got %s", got)
	}
	service.Set(harness.Status(http.StatusServiceUnavailable))
	for range 2 {
		if got := serve(t, gateway, "callers", bob); got != servedToken {
			t.Errorf("the other caller got %s, want the stale token", got)
		}
		if got := serve(t, gateway, "callers", alice); got != servedDenied {
			t.Errorf("the refused caller got %s once the service was down", got)
		}
	}
}

// checkStaleSubject has the service break down while the client's own token expires: nothing stale serves beyond that.
func checkStaleSubject(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	expiry := time.Now().Add(staleLifetime + 3*time.Second).Truncate(time.Second)
	subject := "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"alice","exp":%d}`, expiry.Add(-harness.SubjectLeeway).Unix()))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: subject", subject), 200)
	time.Sleep(staleLifetime + 100*time.Millisecond)
	service.Set(harness.Status(http.StatusServiceUnavailable))
	stale, expired := 0, 0
	for time.Now().Before(expiry.Add(500 * time.Millisecond)) {
		result := gateway.Ask(t, "subject", subject)
		switch {
		case result.Status == http.StatusOK && strings.Contains(result.Body, `"Authorization":["Bearer fresh"]`) && result.SentAt.Before(expiry):
			stale++
		case result.Status == http.StatusUnauthorized && result.AnsweredAt.After(expiry):
			expired++
		default:
			t.Fatalf("%s before the subject's end, a request was answered %d %q (%v)", time.Until(expiry), result.Status, result.Body, result.Err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if stale == 0 || expired == 0 {
		t.Errorf("%d requests had the stale token, %d came after the subject's end, want some of both", stale, expired)
	}
}

// checkRefusedRenewal has the service refuse the renewal of a token in use, and then break down.
func checkRefusedRenewal(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	const lifetime = 4 * time.Second
	service.Set(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", "fresh")
		harness.JSON(200, map[string]any{"expires_in": lifetime.Seconds()})(w, r)
	})
	first := gateway.Ask(t, "renewed")
	service.Set(harness.Sequence(harness.Status(http.StatusForbidden), harness.Status(http.StatusServiceUnavailable)))
	for len(gateway.Token.CallsOf("renewed")) < 2 && time.Since(first.AnsweredAt) < lifetime {
		serve(t, gateway, "renewed")
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Until(first.AnsweredAt.Add(lifetime)))
	for range 3 {
		if got := serve(t, gateway, "renewed"); got != servedDenied {
			t.Errorf("after a refused renewal and the token's end, a request got %s", got)
		}
	}
	if calls := len(gateway.Token.CallsOf("renewed")); calls < 3 {
		t.Errorf("%d calls, want one for the token, one for its renewal, and more", calls)
	}
}
