// Package chains tests token calls that use other tokens or values of the client's request.
package chains

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

type config = harness.Config

// chainOf three: a login, an exchange of its token, and the token call that needs the exchanged one. Each has calls of its own path below the
// name.
func chainOf(name string, more config, linkCache ...config) config {
	call := func(link string, headers config) config {
		return config{"serviceName": harness.TokenName, "requestPath": "/" + name + "/" + link, "tokenPath": "token", "timeout": 10_000, "requestHeaders": headers}
	}
	top := call("call", config{"X-Link": "${token.exchange}"})
	top["tokenHeader"], top["cache"] = "X-Token", config{}
	top["tokens"] = config{
		"login":    call("login", config{"X-Link": harness.SecretMark + "-credential"}),
		"exchange": call("exchange", config{"X-Link": "${token.login}"}),
	}
	for _, cache := range linkCache {
		top["tokens"].(config)["exchange"].(config)["cache"] = cache
	}
	return harness.Merge(top, more)
}

// before says which link's token a link's calls are made with.
var before = map[string]string{"exchange": "login", "call": "exchange"}

// linkServer issues the tokens of chains, and answers 401 to a call whose own link it does not know.
type linkServer struct {
	mu      sync.Mutex
	issued  map[string]int    // by the path
	good    map[string]string // the latest token of the path
	answers map[string]http.HandlerFunc
	end     map[string]int // expires_in by the path
	refusal map[string]int // status for another link's token than the latest, by the chain; 401 if it is not there
}

func newLinkServer() *linkServer {
	return &linkServer{issued: map[string]int{}, good: map[string]string{}, answers: map[string]http.HandlerFunc{}, end: map[string]int{}, refusal: map[string]int{"/forbidden/": http.StatusForbidden}}
}

func (s *linkServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	path := r.URL.Path
	chain, link := path[:strings.LastIndex(path, "/")+1], path[strings.LastIndex(path, "/")+1:]
	if answer := s.answers[path]; answer != nil {
		s.mu.Unlock()
		answer(w, r)
		return
	}
	defer s.mu.Unlock()
	if needed, needs := before[link]; needs && r.Header.Get("X-Link") != s.good[chain+needed] {
		harness.Status(cmp.Or(s.refusal[chain], http.StatusUnauthorized))(w, r)
		return
	}
	s.issued[path]++
	s.good[path] = fmt.Sprintf("%s-%s-%d", harness.SecretMark, link, s.issued[path])
	end := s.end[path]
	if end == 0 {
		end = 3600
	}
	harness.JSON(http.StatusOK, config{"token": s.good[path], "expires_in": end})(w, r)
}

// revoke has the service not take the latest token of a path any more.
func (s *linkServer) revoke(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good[path] = "revoked"
}

// set has calls of a path answered in another way; nil: as ever.
func (s *linkServer) set(path string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answer
}

// callsOf counts the calls of a chain and of its links since the last check. Other chains may be called meanwhile.
func callsOf(gateway *harness.Gateway, name string) (all int, byLink map[string]int) {
	byLink = map[string]int{}
	for _, call := range gateway.Token.Calls() {
		if link, found := strings.CutPrefix(call.URI, "/"+name+"/"); found {
			all++
			byLink[link]++
		}
	}
	return all, byLink
}

// checkCalls expects so many calls of each link since the last check.
func checkCalls(t *testing.T, gateway *harness.Gateway, name string, want map[string]int) {
	t.Helper()
	_, got := callsOf(gateway, name)
	for _, link := range []string{"login", "exchange", "call"} {
		if got[link] != want[link] {
			t.Errorf("%s: got %d calls of %s, expected %d", name, got[link], link, want[link])
		}
	}
	gateway.Token.Forget()
}

func TestChain(t *testing.T) {
	t.Parallel()
	server := newLinkServer()
	gateway := harness.Start(t, harness.Options{Details: true, Config: harness.ByHost(map[string]config{
		"cold": chainOf("cold", nil), "revoked": chainOf("revoked", nil), "refusing": chainOf("refusing", nil), "down": chainOf("down", config{"failure": config{"status": 503}}),
		"uncached":  chainOf("uncached", config{"cache": nil}),
		"forbidden": chainOf("forbidden", config{"cache": config{"refreshBefore": 0}}, config{"invalidateOn": []int{401, 403}}),
	})})
	gateway.Token.Handle(server.answer)
	for name, test := range map[string]func(*testing.T, *harness.Gateway, *linkServer){
		"cold": checkCold, "revoked": checkRevoked, "refusing": checkRefusing, "down": checkDown, "uncached": checkUncached, "forbidden": checkForbidden,
	} {
		t.Run(name, func(t *testing.T) { test(t, gateway, server) })
	}
}

func get(t *testing.T, gateway *harness.Gateway, host string, status int, headers ...string) harness.Answer {
	t.Helper()
	answer := gateway.Get(t, "/", append([]string{"Host: " + host}, headers...)...)
	harness.CheckStatus(t, answer, status)
	return answer
}

// A cold chain makes one call per link, however many requests need it at once; a warm one makes none.
func checkCold(t *testing.T, gateway *harness.Gateway, _ *linkServer) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { get(t, gateway, "cold", 200) })
	}
	all.Wait()
	gateway.Upstream.CheckHeader(t, "X-Token", harness.SecretMark+"-call-1")
	checkCalls(t, gateway, "cold", map[string]int{"login": 1, "exchange": 1, "call": 1})
	get(t, gateway, "cold", 200)
	checkCalls(t, gateway, "cold", nil)
}

// A link that was revoked is fetched again, and the call that needs it repeated: the client sees nothing of it.
func checkRevoked(t *testing.T, gateway *harness.Gateway, server *linkServer) {
	get(t, gateway, "revoked", 200)
	checkCalls(t, gateway, "revoked", map[string]int{"login": 1, "exchange": 1, "call": 1})
	server.revoke("/revoked/exchange")
	server.revoke("/revoked/login")
	gateway.Upstream.Respond(func(*http.Request) int { return http.StatusUnauthorized })
	get(t, gateway, "revoked", 401)
	gateway.Upstream.Respond(func(*http.Request) int { return http.StatusOK })
	get(t, gateway, "revoked", 200)
	checkCalls(t, gateway, "revoked", map[string]int{"login": 1, "exchange": 2, "call": 2})
	gateway.WaitLog(t, "answered 401 to a request with a token of token service "+harness.TokenName)
}

// Some services answer 403 to a token that is no longer good: a link's own invalidateOn says so.
func checkForbidden(t *testing.T, gateway *harness.Gateway, server *linkServer) {
	server.end["/forbidden/call"] = 1
	get(t, gateway, "forbidden", 200)
	server.revoke("/forbidden/exchange")
	harness.Eventually(t, 30*time.Second, func() error {
		get(t, gateway, "forbidden", 200)
		if calls, _ := callsOf(gateway, "forbidden"); calls < 6 {
			return fmt.Errorf("got %d calls", calls)
		}
		return nil
	})
	checkCalls(t, gateway, "forbidden", map[string]int{"login": 1, "exchange": 2, "call": 3})
}

// A service that takes no link is called once with the one that there is, and once with a new one.
func checkRefusing(t *testing.T, gateway *harness.Gateway, server *linkServer) {
	server.set("/refusing/exchange", harness.Status(http.StatusUnauthorized))
	harness.CheckReply(t, get(t, gateway, "refusing", 500), harness.Reply(500, "http call failed", "text/plain; charset=utf-8"))
	checkCalls(t, gateway, "refusing", map[string]int{"login": 1, "exchange": 1}) // the login was fetched for this very request
	for range 20 {
		get(t, gateway, "refusing", 500)
	}
	calls, _ := callsOf(gateway, "refusing")
	if calls > 4 {
		t.Errorf("got %d calls for 20 requests, expected them to be spaced", calls)
	}
	server.set("/refusing/exchange", nil)
	waitServed(t, gateway, "refusing")
	gateway.WaitLog(t, "(token exchange) answered 401")
}

// A link that is busy has the requests treated as if the last one were: it is called when it says, and not before. The other failures
// of each link are tested next to chain.go.
func checkDown(t *testing.T, gateway *harness.Gateway, server *linkServer) {
	server.set("/down/login", harness.Busy(http.StatusTooManyRequests, func() string { return "3" }))
	if wait := get(t, gateway, "down", 503).Header.Get("Retry-After"); wait != "3" && wait != "4" { // a fifth longer; by itself it would be 2
		t.Errorf("got Retry-After %q, expected 3", wait)
	}
	for range 10 {
		get(t, gateway, "down", 503)
	}
	checkCalls(t, gateway, "down", map[string]int{"login": 1})
	gateway.WaitLog(t, "(token login) answered 429")
	server.set("/down/login", nil)
	waitServed(t, gateway, "down")
}

// waitServed returns once the backoff of a failure is over.
func waitServed(t *testing.T, gateway *harness.Gateway, host string) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, func() error {
		if answer := gateway.Get(t, "/", "Host: "+host); answer.Status != 200 {
			return fmt.Errorf("got %d", answer.Status)
		}
		return nil
	})
}

// Without a cache, each request makes its own token call, but the links stay cached.
func checkUncached(t *testing.T, gateway *harness.Gateway, _ *linkServer) {
	for range 3 {
		get(t, gateway, "uncached", 200)
	}
	checkCalls(t, gateway, "uncached", map[string]int{"login": 1, "exchange": 1, "call": 3})
}
