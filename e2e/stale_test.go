package e2e_test

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
	"timeout in the body":      {staleTimeout, hangInBody, true},
	"reset":                    {nil, harness.Reset(), true},
	"close":                    {nil, harness.Close(), true},
	"cut in the body":          {nil, harness.Raw("HTTP/1.1 200 OK\r\nX-Token: t\r\nContent-Length: 10\r\n\r\ntoken"), true},
	"not HTTP":                 {nil, harness.Raw("token-1\r\n\r\n"), true},
	"500":                      {nil, harness.Status(500), true},
	"502":                      {nil, harness.JSON(502, "<html>"), true},
	"503":                      {nil, harness.Status(503), true},
	"504":                      {nil, harness.Status(504), true},
	"599":                      {nil, harness.Status(599), true},
	"429":                      {nil, harness.Status(429), true},
	"503, allowed":             {staleAllowed, harness.Status(503), true},
	"500 with a grant's error": {staleOAuth2, harness.JSON(500, `{"error":"invalid_grant"}`), true},
	"503 to oauth2":            {staleOAuth2, harness.Status(503), true},

	"400":                 {nil, harness.Status(400), false},
	"401":                 {nil, harness.Status(401), false},
	"403":                 {nil, harness.Status(403), false},
	"404":                 {nil, harness.Status(404), false},
	"408":                 {nil, harness.Status(408), false},
	"410":                 {nil, harness.Status(410), false},
	"301":                 {nil, tokenWith(301), false},
	"302":                 {nil, tokenWith(302), false},
	"204":                 {nil, tokenWith(204), false},
	"no token":            {nil, harness.Status(200), false},
	"token too long":      {nil, harness.HeaderToken("X-Token", strings.Repeat("t", maxToken+1)), false},
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
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
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
