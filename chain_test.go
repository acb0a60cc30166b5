package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// chainHost is a worker with a chain: a fakeHost whose caches are real.
type chainHost struct {
	*fakeHost
	t         *testing.T
	scheduler *cache.Scheduler
	memory    cache.Memory
	caches    []*cache.Cache
	clients   map[string]*client // of the named tokens; of the part itself: ""
	top       cached
	answered  int                                                 // of the calls
	answers   map[string]func(path string) *tokenservice.Response // by the path of the call
	made      []string                                            // paths of the calls
}

// linkConfig is a chain of login, exchange and call; more are keys of the call.
func linkConfig(more, login, exchange string) string {
	const of = `"serviceName": "%s.dns", "requestPath": "/%s", "tokenPath": "token", "requestHeaders": {"X-Link": "%s"}`
	return "{" + fmt.Sprintf(of, "call", "call", "${token.exchange}") + `, "tokenHeader": "X-Token", "cache": {}` + more + `, "tokens": {"login": {` + fmt.Sprintf(of, "login", "login", "s3cr3t") + login +
		`}, "exchange": {` + fmt.Sprintf(of, "exchange", "exchange", "${token.login}") + exchange + `}}}`
}

func newChainHost(t *testing.T, config string) *chainHost {
	h := &chainHost{fakeHost: newFakeHost(), t: t, clients: map[string]*client{}, answers: map[string]func(string) *tokenservice.Response{}}
	h.scheduler = cache.NewScheduler(func() {})
	h.top = h.cachedOf(globalPart(t, config), map[*part]cached{})
	return h
}

func (h *chainHost) cachedOf(p *part, made map[*part]cached) cached {
	if m, isMade := made[p]; isMade {
		return m
	}
	log := newServiceLog(p, h.fakeHost, &metrics{})
	c := newClient(p.Service, h.fakeHost, log)
	var from referrer = c
	if p.Service.IsSigned() {
		from = &signer{p.Service, h.fakeHost, log}
	}
	var source token.Source = from
	if len(p.named) > 0 {
		with := &chain{service: p.Service, inner: from, log: log}
		for _, named := range p.named {
			with.caches = append(with.caches, h.cachedOf(named, made))
		}
		source = with
	}
	deps := cache.Deps{Clock: h, Scheduler: h.scheduler, Memory: &h.memory, Stats: &cache.Stats{}, OnPanic: func(cause any) { h.t.Errorf("panic: %v", cause) }}
	of := cache.New
	if p.Service.DependsOnCaller() {
		of = cache.NewPerCaller
	}
	made[p] = cached{p, log, of(&p.Cache.Policy, source, deps)}
	h.caches = append(h.caches, made[p].cache)
	h.clients[strings.TrimPrefix(p.name, "token ")] = c
	return made[p]
}

// asked is a request that has asked for a token.
type asked struct {
	*chainHost
	values  string // of the token, or the reason why there is none
	told    int
	waiting bool
}

func (a *asked) Proceed(t *token.Token) { a.values, a.told = t.Values[0], a.told+1 }
func (a *asked) Fail(err *token.Error)  { a.values, a.told = err.Reason.String(), a.told+1 }

// ask asks for the token of a request with these headers.
func (h *chainHost) ask(headers ...[2]string) *asked {
	a := &asked{chainHost: h}
	var caller token.Caller
	if service := h.top.part.Service; service.DependsOnCaller() {
		values, err := service.AppendCaller(nil, headers)
		if err != nil {
			h.t.Fatal(err)
		}
		caller = service.Caller(values)
	}
	switch _, reply := h.top.cache.Ask(caller, a); {
	case reply.Waiting:
		a.waiting = true
	case reply.Token != nil:
		a.Proceed(reply.Token)
	default:
		a.Fail(reply.Err)
	}
	return a
}

// run answers calls and tells requests until there is nothing to do any more.
func (h *chainHost) run() {
	for {
		for range 100 {
			h.scheduler.RunBatch()
		}
		if h.answered == len(h.calls) {
			return
		}
		next := h.calls[h.answered]
		h.answered++
		path := ""
		for _, header := range next.call.Headers {
			if header[0] == ":path" {
				path = header[1]
			}
		}
		h.made = append(h.made, path)
		answer := good
		if h.answers[path] != nil {
			answer = h.answers[path]
		}
		if a := answer(path + fmt.Sprint(len(h.made))); a != nil {
			next.done.onResponse(a)
			next.done.onResponse(a) // again, which must change nothing
		}
	}
}

func (h *chainHost) takeMade() string {
	made := strings.Join(h.made, " ")
	h.made = nil
	return made
}

func good(text string) *tokenservice.Response {
	return body(200, fmt.Sprintf(`{"token": %q, "expires_in": 3600}`, text))
}

func always(a *tokenservice.Response) func(string) *tokenservice.Response {
	return func(string) *tokenservice.Response { copied := *a; return &copied }
}

// What a link does, and what that means for the request, for the calls that are made at once, and for those of the next
// hundred requests in the next seconds.
func TestLinksThatFail(t *testing.T) {
	rateLimited := body(429, "")
	rateLimited.Headers = [][2]string{{"retry-after", "20"}}
	for name, test := range map[string]struct {
		answer *tokenservice.Response
		want   string
		most   int // calls of the link in 10 seconds
	}{
		"dead":          {&tokenservice.Response{}, "no_answer", 5},
		"unavailable":   {body(503, ""), "server_error", 5},
		"rate limiting": {rateLimited, "rate_limited", 1},
		"refusing":      {body(403, ""), "other_status", 5},
		"garbage":       {body(200, "<html>"), "no_token", 5},
		"a huge answer": {body(200, strings.Repeat("a", 1<<20+1)), "bad_answer", 5},
	} {
		for _, link := range []string{"/login", "/exchange", "/call"} {
			t.Run(name+link, func(t *testing.T) {
				h := newChainHost(t, linkConfig("", "", ""))
				h.answers[link] = always(test.answer)
				first := h.ask()
				h.run()
				if want := map[string]string{"/login": "/login", "/exchange": "/login /exchange", "/call": "/login /exchange /call"}[link]; first.values != test.want || first.told != 1 || h.takeMade() != want {
					t.Fatalf("got %s, expected %s and the calls %s", first.values, test.want, want)
				}
				for range 100 {
					h.Pass(100 * time.Millisecond)
					next := h.ask()
					h.run()
					if next.told != 1 || next.values != test.want {
						t.Fatalf("got %s, told %d times, expected %s", next.values, next.told, test.want)
					}
				}
				if made := h.made; len(made) == 0 && test.most > 1 || len(made) > test.most {
					t.Errorf("got the calls %v in 10 s, expected 1 to %d, of that link", made, test.most)
				}
				h.answers[link] = nil
				h.made = nil
				h.Pass(time.Minute)
				back := h.ask()
				if h.run(); !strings.HasPrefix(back.values, "/call") {
					t.Errorf("a minute later: got %s, expected a token", back.values)
				}
				if h.logContains("s3cr3t") || !h.logContains(strings.TrimPrefix(link, "/")+".dns:80") {
					t.Errorf("log: got %q, expected the link to be named", h.lines)
				}
			})
		}
	}
}

// Each caller has its own links, and a refusal affects only its caller.
func TestLinksOfCallers(t *testing.T) {
	h := newChainHost(t, `{"serviceName": "call.dns", "requestPath": "/call", "tokenPath": "token", "tokenHeader": "X-Token", "cache": {}, "requestHeaders": {"X-Link": "${token.exchange}", "X-Login": "${token.login}", "X-Org": "${request.header.X-Org}"},
		"tokens": {"login": {"serviceName": "login.dns", "requestPath": "/login", "tokenPath": "token"}, "exchange": {"serviceName": "idp.dns", "requestPath": "/exchange", "tokenPath": "token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t",
			"grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}}}}`)
	h.answers["/exchange"] = func(text string) *tokenservice.Response {
		if strings.Contains(string(h.calls[h.answered-1].call.Body), "subject_token=bad") {
			return body(400, `{"error": "invalid_grant"}`)
		}
		return good(text)
	}
	of := func(token, org string) *asked {
		return h.ask([2]string{"authorization", "Bearer " + token}, [2]string{"x-org", org})
	}
	all := []*asked{of("a", "1"), of("a", "2"), of("b", "1"), of("bad", "1"), of("bad", "2"), of("a", "1")}
	h.run()
	made := h.made
	slices.Sort(made)
	if got, want := h.takeMade(), "/call /call /call /exchange /exchange /exchange /login"; got != want {
		t.Errorf("got the calls %s, expected %s", got, want)
	}
	seen := map[string]bool{}
	for i, a := range all {
		isBad := i == 3 || i == 4
		if a.told != 1 || isBad != (a.values == "subject_refused") || seen[a.values] && !isBad && i != 5 {
			t.Errorf("request %d: got %s, told %d times", i, a.values, a.told)
		}
		seen[a.values] = true
	}
	if all[5].values != all[0].values {
		t.Errorf("the same caller: got %s and %s", all[0].values, all[5].values)
	}
	for range 20 {
		of("bad", "1")
		of("a", "1")
		h.run()
	}
	if got := h.takeMade(); got != "" || h.logContains("s3cr3t") {
		t.Errorf("got the calls %s, expected none; log: %q", got, h.lines)
	}
}

// Requests leave, calls are never answered, too many requests wait for a link, and the plugin panics: no request waits forever,
// and none is resumed twice.
func TestChainsThatGoWrong(t *testing.T) {
	t.Run("never answered", func(t *testing.T) {
		h := newChainHost(t, linkConfig("", `, "timeout": 1000`, ""))
		h.answers["/login"] = func(string) *tokenservice.Response { return nil }
		a := h.ask()
		h.run()
		h.Pass(time.Second + hostGrace)
		h.clients["login"].tick()
		h.run()
		if a.told != 1 || a.values != "no_answer" {
			t.Errorf("got %s, told %d times", a.values, a.told)
		}
		h.calls[0].done.onResponse(good("late"))
		if h.run(); a.told != 1 || len(h.calls) != 1 {
			t.Errorf("after a late answer: told %d times, %d calls", a.told, len(h.calls))
		}
	})
	t.Run("too many", func(t *testing.T) {
		h := newChainHost(t, linkConfig(`, "forwardHeaders": ["X-User"]`, `, "cache": {"maxWaiting": 1}`, `, "cache": {"maxWaiting": 2}`))
		var all []*asked
		for i := range 5 {
			all = append(all, h.ask([2]string{"x-user", fmt.Sprint(i)}))
		}
		h.run()
		for i, a := range all {
			if a.told != 1 || (i < 2) != strings.HasPrefix(a.values, "/call") || i >= 2 && a.values != "too_many" {
				t.Errorf("request %d: got %s, told %d times", i, a.values, a.told)
			}
		}
		again := h.ask([2]string{"x-user", "4"})
		if h.run(); !strings.HasPrefix(again.values, "/call") {
			t.Errorf("the next request: got %s, expected no wait", again.values)
		}
	})
	t.Run("a panic in a link's answer", func(t *testing.T) {
		h := newChainHost(t, linkConfig("", "", ""))
		a := h.ask()
		h.clients["exchange"].log.metrics = nil
		if h.run(); a.told != 1 || a.values != "internal_error" {
			t.Errorf("got %s, told %d times", a.values, a.told)
		}
	})
	t.Run("two links, one of which is not to be had at once", func(t *testing.T) {
		h := newChainHost(t, `{"serviceName": "call.dns", "requestPath": "/call", "tokenPath": "token", "tokenHeader": "X-Token", "cache": {}, "requestHeaders": {"X-Link": "${token.slow} ${token.signed}"},
			"tokens": {"slow": {"serviceName": "slow.dns", "requestPath": "/slow", "tokenPath": "token"}, "signed": {"jwt": {"secret": "0123456789abcdef0123456789abcdef"}}}}`)
		a := h.ask()
		if h.run(); !strings.HasPrefix(a.values, "/call") || a.told != 1 {
			t.Errorf("got %s, told %d times", a.values, a.told)
		}
		h.Pass(2 * time.Hour)
		h.refuses = &token.Error{Reason: token.NotSent}
		b := h.ask()
		if h.run(); b.values != "not_sent" || b.told != 1 {
			t.Errorf("got %s, told %d times", b.values, b.told)
		}
	})
}

// Parts that inherit a named token share its cache, whatever they make of it.
func TestRulesShareNamedTokens(t *testing.T) {
	parsed := mustParse(t, strings.TrimSuffix(linkConfig("", "", ""), "}")+`, "_rules_": [{"_match_route_": ["a"]}, {"_match_route_": ["b"], "requestPath": "/other"}, {"_match_route_": ["c"], "tokens": {"x": {"jwt": {"secret": "0123456789abcdef0123456789abcdef"}}}}]}`)
	made := map[*config.Named]*part{}
	ids := map[token.Key]bool{newPart(parsed.Global, "", made).named[0].cacheIdentity(): true}
	for _, rule := range parsed.Rules {
		ids[newPart(rule.Part, "", made).named[0].cacheIdentity()] = true
	}
	if len(ids) != 1 {
		t.Errorf("got %d caches of one token, expected 1", len(ids))
	}
}
