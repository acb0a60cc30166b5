package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func cached(more string) string { return extended(`"cache": {` + more + `}`) }

func TestOneCallForMany(t *testing.T) {
	w := newWorker(t, cached(""))
	var requests []*fakeRequest
	for range 100 {
		r, told := w.ask()
		if told.told != waiting {
			t.Fatalf("got %v, expected to wait", told)
		}
		requests = append(requests, r)
	}
	if len(w.calls) != 0 || w.woken != 1 {
		t.Errorf("before the root context runs: got %d calls and %d wakes, expected 0 and 1", len(w.calls), w.woken)
	}
	w.runRoot()
	late, _ := w.ask()
	requests = append(requests, late)
	w.runRoot()
	w.tick()
	if len(w.calls) != 1 {
		t.Fatalf("calls: got %d, expected 1", len(w.calls))
	}
	w.answer(t, good("t1", 60))
	for i, r := range requests {
		if r.told != 1 || r.token == nil || r.token.values[0] != "t1" {
			t.Fatalf("request %d: told %d times, %v", i, r.told, r.token)
		}
	}
	w.serves(t, "t1")
	m := w.metrics()
	if m.calls.total != 1 || m.cacheMisses.total != 101 || m.coalesced.total != 100 || m.cacheHits.total != 1 {
		t.Errorf("metrics: got %d calls, %d misses, %d coalesced, %d hits", m.calls.total, m.cacheMisses.total, m.coalesced.total, m.cacheHits.total)
	}
}

func TestWaitersThatLeave(t *testing.T) {
	tests := map[string]struct{ beforeStart, beforeAnswer []int }{
		"the first, before the call starts": {beforeStart: []int{0}},
		"the first, while the call runs":    {beforeAnswer: []int{0}},
		"all, before the call starts":       {beforeStart: []int{0, 1, 2}},
		"all, while the call runs":          {beforeAnswer: []int{0, 1, 2}},
		"one by one":                        {beforeStart: []int{1}, beforeAnswer: []int{2}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(t, cached(""))
			var requests []*fakeRequest
			var places []place
			left := map[int]bool{}
			leave := func(numbers []int) {
				for _, i := range numbers {
					w.source.common.call.leave(places[i])
					left[i] = true
				}
			}
			for range 3 {
				r, told := w.ask()
				requests, places = append(requests, r), append(places, told.place)
			}
			leave(test.beforeStart)
			w.runRoot()
			leave(test.beforeAnswer)
			w.answer(t, good("t1", 60))
			for i, r := range requests {
				want := 1
				if left[i] {
					want = 0
				}
				if r.told != want {
					t.Errorf("request %d: told %d times, expected %d", i, r.told, want)
				}
			}
			if n := w.source.common.call.waiting.Len(); n != 0 {
				t.Errorf("waiting: got %d, expected 0", n)
			}
			w.serves(t, "t1")
		})
	}
}

func TestMaxWaiting(t *testing.T) {
	w := newWorker(t, cached(`"maxWaiting": 2`))
	_, first := w.ask()
	w.ask()
	_, third := w.ask()
	if third.told != denied || third.failure.outcome != tooMany {
		t.Errorf("the third: got %+v, expected tooMany", third)
	}
	w.source.common.call.leave(first.place)
	if _, fourth := w.ask(); fourth.told != waiting {
		t.Errorf("after one has left: got %+v, expected to wait", fourth)
	}
}

func TestExpiryToTheNanosecond(t *testing.T) {
	w := newWorker(t, cached(`"refreshBefore": 0`))
	w.fetch(t, good("t1", 10))
	w.pass(10*time.Second - 1)
	w.serves(t, "t1")
	w.pass(1)
	if _, told := w.ask(); told.told != waiting {
		t.Errorf("at its expiry: got %+v, expected to wait for the next", told)
	}
}

func TestCoarseClockKeepsAwayFromTheEnd(t *testing.T) {
	w := newWorker(t, cached(""))
	w.fetch(t, good("t1", 10))
	life := w.source.common
	if life.freshAt(w.clock+10*time.Second-nearEnd-1) == nil || life.freshAt(w.clock+10*time.Second-nearEnd) != nil {
		t.Error("freshAt: expected a token until nearEnd before its expiry, not longer")
	}
}

func TestNotKept(t *testing.T) {
	w := newWorker(t, cached(`"staleIfError": 100`))
	r := w.fetch(t, good("t1", 0))
	if r.token == nil {
		t.Errorf("the request that waited got %v, expected the token", r.fails)
	}
	if _, told := w.ask(); told.told != waiting {
		t.Errorf("the next request: got %+v, expected to wait for a call of its own", told)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorker(t, cached(""))
	w.fetch(t, good("t1", 100))
	w.pass(90*time.Second - 1)
	w.serves(t, "t1")
	w.tick()
	if len(w.calls) != 1 {
		t.Fatalf("before refreshAt: got %d calls, expected 1", len(w.calls))
	}
	w.pass(1)
	w.tick()
	w.tick()
	if len(w.calls) != 2 || w.metrics().refreshes.total != 1 {
		t.Fatalf("at refreshAt: got %d calls and %d refreshes, expected 2 and 1", len(w.calls), w.metrics().refreshes.total)
	}
	w.serves(t, "t1")
	w.answer(t, good("t2", 100))
	w.serves(t, "t2")
}

func TestUnusedTokenIsNotRenewed(t *testing.T) {
	w := newWorker(t, cached(""))
	w.fetch(t, good("t1", 100)) // used by the request that waited
	w.pass(90 * time.Second)
	w.tick()
	w.answer(t, good("t2", 100))
	w.pass(95 * time.Second)
	w.tick()
	if len(w.calls) != 2 {
		t.Errorf("nobody has used the second token: got %d calls, expected 2", len(w.calls))
	}
}

func TestRenewalThatFails(t *testing.T) {
	w := newWorker(t, cached(""))
	w.fetch(t, good("t1", 100))
	w.pass(90 * time.Second)
	w.tick()
	w.answer(t, answer{status: 503})
	w.serves(t, "t1")
	w.pass(time.Second - 1)
	w.tick()
	if len(w.calls) != 2 {
		t.Errorf("within the backoff: got %d calls, expected 2", len(w.calls))
	}
	w.pass(time.Second)
	w.tick()
	if len(w.calls) != 3 {
		t.Errorf("after the backoff: got %d calls, expected 3", len(w.calls))
	}
	w.answer(t, answer{})
	w.pass(8*time.Second + 1)
	if _, told := w.ask(); told.told == served {
		t.Error("an expired token is served on")
	}
}

func TestBackoff(t *testing.T) {
	w := newWorker(t, cached(""))
	if r := w.fetch(t, answer{status: 503}); r.fails.outcome != callFailed {
		t.Errorf("the request that waited: got %+v", r)
	}
	for failures := 1; failures < 10; failures++ {
		wait := min(time.Second<<(failures-1), maxBackoff)
		w.pass(wait - 1)
		if _, told := w.ask(); told.told != denied || told.failure.outcome != callFailed {
			t.Fatalf("%d failures, before %s: got %+v, expected to be denied at once", failures, wait, told)
		}
		w.pass(wait/5 + 1)
		w.fetch(t, answer{status: 503})
	}
	w.pass(maxBackoff)
	w.fetch(t, good("t1", 60))
	w.serves(t, "t1")
	if w.metrics().callFailures.total != 10 {
		t.Errorf("call_failures: got %d, expected 10", w.metrics().callFailures.total)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":   {"20", 20 * time.Second},
		"at most":   {"86400", maxRetryAfter},
		"a date":    {"Mon, 23 Nov 2026 12:00:50 GMT", 50 * time.Second},
		"too short": {"0", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(t, cached(""))
			w.fetch(t, answer{status: 429, headers: [][2]string{{"retry-after", test.value}}})
			w.pass(test.want - 1)
			if _, told := w.ask(); told.told != denied {
				t.Errorf("before its time: got %+v, expected to be denied", told)
			}
			w.pass(time.Second)
			if _, told := w.ask(); told.told != waiting {
				t.Errorf("after its time: got %+v, expected to wait", told)
			}
		})
	}
}

func TestStaleIfError(t *testing.T) {
	w := newWorker(t, cached(`"staleIfError": 5, "refreshBefore": 0`))
	w.fetch(t, good("t1", 10))
	w.pass(10 * time.Second)
	if r := w.fetch(t, answer{status: 500}); r.token == nil || r.token.values[0] != "t1" {
		t.Fatalf("the request that waited: got %+v, expected the stale token", r)
	}
	if _, told := w.ask(); told.told != stale || told.token.values[0] != "t1" {
		t.Errorf("within the backoff: got %+v, expected the stale token at once", told)
	}
	w.pass(3 * time.Second)
	if _, told := w.ask(); told.told != stale || w.woken == 0 {
		t.Errorf("after the backoff: got %+v and %d wakes, expected the stale token and a call", told, w.woken)
	}
	w.runRoot()
	w.answer(t, answer{status: 500})
	w.pass(2*time.Second - 1)
	if _, told := w.ask(); told.told != stale {
		t.Errorf("at the end of staleIfError: got %+v, expected the stale token", told)
	}
	w.pass(1)
	if _, told := w.ask(); told.told != denied && told.told != waiting {
		t.Errorf("after staleIfError: got %+v, expected no token", told)
	}
	if w.metrics().staleServed.total != 4 {
		t.Errorf("stale_served: got %d, expected 4", w.metrics().staleServed.total)
	}
}

func TestRefusedByUpstream(t *testing.T) {
	w := newWorker(t, cached(""))
	w.fetch(t, good("t1", 100))
	used := w.serves(t, "t1")
	for range 10 {
		w.source.refused(w.source.common, used)
	}
	if w.metrics().invalidated.total != 1 {
		t.Errorf("ten refusals of one token: got %d invalidations, expected 1", w.metrics().invalidated.total)
	}
	w.fetch(t, good("t2", 100))
	w.source.refused(w.source.common, used) // a slow answer to the old one
	w.serves(t, "t2")
}

// minuteOfRefusals has an upstream refuse every token of the workers for a minute, and
// returns how many calls they made.
func minuteOfRefusals(t *testing.T, workers ...*worker) (calls int) {
	t.Helper()
	for range 60 * 100 {
		for _, w := range workers {
			_, told := w.ask()
			w.runRoot()
			if told.told == waiting {
				calls++
				w.answer(t, good(fmt.Sprintf("t%d", calls), 3600))
				told.token = w.source.common.token
			}
			w.source.refused(w.source.common, told.token)
			w.pass(10 * time.Millisecond)
		}
	}
	calls = 0 // counted anew, as a call may also have been made for nobody
	for _, w := range workers {
		calls += len(w.calls)
	}
	return calls
}

func TestUpstreamThatAlwaysRefuses(t *testing.T) {
	// At once, then after 1, 3, 7, 15 and 31 s and a little.
	if calls := minuteOfRefusals(t, newWorker(t, cached(""))); calls > 8 {
		t.Errorf("a minute of refusals: got %d calls, expected at most 8", calls)
	}
}

func TestWorkersSpaceRefusalsTogether(t *testing.T) {
	a := newWorker(t, cached(""))
	b := a.colleague(t, cached(""))
	if calls := minuteOfRefusals(t, a, b); calls > 8 {
		t.Errorf("a minute of refusals in two workers: got %d calls, expected at most 8 as in one", calls)
	}
}

func TestOverdueCall(t *testing.T) {
	w := newWorker(t, cached(""))
	r, _ := w.ask()
	w.runRoot()
	w.pass(500*time.Millisecond + hostGrace - 1)
	w.tick()
	if r.told != 0 {
		t.Fatal("told before the deadline")
	}
	w.pass(1)
	w.tick()
	if r.told != 1 || r.fails.outcome != callFailed {
		t.Fatalf("at the deadline: told %d times, %+v", r.told, r.fails)
	}
	w.answer(t, good("t1", 60)) // too late
	if r.told != 1 || w.source.common.call.state != idle {
		t.Errorf("the late answer: told %d times, state %v", r.told, w.source.common.call.state)
	}
}

func TestDispatchThatFailsAtOnce(t *testing.T) {
	w := newWorker(t, cached(""))
	w.refuses = &failure{noCluster, "is unknown"}
	r, _ := w.ask()
	w.runRoot()
	if r.told != 1 || r.fails.outcome != noCluster || w.metrics().calls.total != 0 {
		t.Errorf("told %d times, %+v, %d calls", r.told, r.fails, w.metrics().calls.total)
	}
}

func TestPanicInAnAnswerLeavesNobodyWaiting(t *testing.T) {
	w := newWorker(t, cached(""))
	r, _ := w.ask()
	w.runRoot()
	w.source.client.metrics = nil // so that reading the answer panics
	w.answer(t, good("s3cr3t", 60))
	if r.told != 1 || r.fails.outcome != internalError {
		t.Errorf("told %d times, %+v, expected once and an internal error", r.told, r.fails)
	}
	if !w.logContains("panicked") || w.logContains("s3cr3t") {
		t.Errorf("log: got %q", w.lines)
	}
}

func TestWorkersShare(t *testing.T) {
	a := newWorker(t, cached(""))
	b := a.colleague(t, cached(""))
	a.fetch(t, good("t1", 100))
	b.serves(t, "t1")
	if len(b.calls) != 0 {
		t.Errorf("the colleague made %d calls, expected none", len(b.calls))
	}

	a.pass(90 * time.Second)
	b.pass(90 * time.Second)
	b.tick()
	a.tick()
	if len(a.calls)+len(b.calls) != 2 {
		t.Fatalf("renewal: got %d and %d calls, expected one more of one of them", len(a.calls), len(b.calls))
	}
	b.answer(t, good("t2", 100))
	a.tick()
	a.serves(t, "t2")

	a.source.refused(a.source.common, a.source.common.token)
	b.source.refused(b.source.common, b.source.common.token)
	if n := a.metrics().invalidated.total + b.metrics().invalidated.total; n != 1 {
		t.Errorf("one token refused in two workers: got %d invalidations, expected 1", n)
	}
	a.fetch(t, good("t3", 100))
	b.serves(t, "t3")
}

func TestFailedRenewalHoldsColleaguesBack(t *testing.T) {
	a := newWorker(t, cached(""))
	b := a.colleague(t, cached(""))
	a.fetch(t, good("t1", 100))
	b.serves(t, "t1")
	a.pass(90 * time.Second)
	b.pass(90 * time.Second)
	a.tick()
	a.answer(t, answer{status: 503})
	b.tick()
	if len(b.calls) != 0 {
		t.Errorf("right after a failed renewal the colleague made %d calls, expected none", len(b.calls))
	}
	b.pass(2 * time.Second)
	b.tick()
	if len(b.calls) != 1 {
		t.Errorf("after the backoff the colleague made %d calls, expected 1", len(b.calls))
	}
}

func TestLeaseIsTakenOnce(t *testing.T) {
	a := newWorker(t, cached(""))
	b := a.colleague(t, cached(""))
	a.fetch(t, good("t1", 100))
	b.serves(t, "t1")
	a.pass(90 * time.Second)
	b.pass(90 * time.Second)
	// b renews between a's read of the record and its write.
	a.store.onRead = func() { a.store.onRead = b.tick }
	a.tick()
	if calls := len(a.calls) - 1 + len(b.calls); calls != 1 {
		t.Errorf("two workers renew at once: got %d calls, expected 1", calls)
	}
}

func TestOutageEndsForAllWorkers(t *testing.T) {
	a := newWorker(t, cached(""))
	b := a.colleague(t, cached(""))
	b.fetch(t, answer{status: 503})
	a.fetch(t, good("t1", 100))
	b.tick()
	b.serves(t, "t1")
}

func TestNotShared(t *testing.T) {
	for name, config := range map[string]string{
		"switched off":      cached(`"shared": false`),
		"depends on caller": extended(`"cache": {}, "forwardHeaders": ["X-User"]`),
	} {
		w := newWorker(t, config)
		if w.source.sharedKey != "" {
			t.Errorf("%s: tokens are shared under %q", name, w.source.sharedKey)
		}
	}
}

func TestCallersAreKeptApart(t *testing.T) {
	config := extended(`"cache": {"maxEntries": 3}, "forwardHeaders": ["X-User", "X-Org"]`)
	scope := mustParse(t, config).global
	requests := map[string][][2]string{
		"plain":                     {{"x-user", "a"}, {"x-org", "b"}},
		"other order of values":     {{"x-user", "b"}, {"x-org", "a"}},
		"value with the other's":    {{"x-user", "a,x-org: b"}},
		"two values":                {{"x-user", "a"}, {"x-user", "b"}},
		"joined values":             {{"x-user", "a,b"}},
		"nothing":                   nil,
		"empty value":               {{"x-user", ""}},
		"separator by another name": {{"x-user", "a\x00x-orgb"}},
	}
	seen := map[identity]string{}
	for name, headers := range requests {
		c, ok := scope.caller(headers)
		if !ok {
			t.Fatalf("%s: no caller", name)
		}
		if other, taken := seen[c.key]; taken {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[c.key] = name
		if strings.Contains(string(c.key[:]), "x-org") {
			t.Errorf("%s: the key holds a value", name)
		}
	}
	c, _ := scope.caller([][2]string{{"x-user", "a"}, {"x-other", "c"}})
	if value, _ := firstHeader(c.call.headers, "x-user"); value != "a" {
		t.Errorf("forwarded: got %q, expected a", value)
	}
	if _, found := firstHeader(c.call.headers, "x-other"); found {
		t.Error("a header that is not named was forwarded")
	}
	if len(scope.call.headers) != 3 {
		t.Errorf("the scope's own call has changed: %v", scope.call.headers)
	}
}

func TestLeastRecentlyUsedCallerGoes(t *testing.T) {
	config := extended(`"cache": {"maxEntries": 2}, "forwardHeaders": ["X-User"]`)
	w := newWorker(t, config)
	life := func(user string) *tokenLife {
		c, _ := w.source.client.scope.caller([][2]string{{"x-user", user}})
		return w.source.life(c)
	}
	a, b := life("a"), life("b")
	if life("a") != a {
		t.Fatal("a's life was replaced")
	}
	life("c")
	if len(w.source.lives) != 2 || life("a") != a {
		t.Errorf("expected a to stay, as it was used after b; there are %d lives", len(w.source.lives))
	}
	if life("b") == b {
		t.Error("expected b to have gone")
	}
	busy := life("d")
	w.source.ask(busy, &fakeRequest{})
	life("e")
	life("f")
	if life("d") != busy {
		t.Error("a life that a request waits for was dropped")
	}
}

func TestExchangedTokenDoesNotOutliveItsSubject(t *testing.T) {
	config := `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t",
		"grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}}`
	w := newWorker(t, config)
	subject := jwt(fmt.Sprintf(`{"exp": %d}`, w.wall.Add(20*time.Second).Unix()))
	c, ok := w.source.client.scope.caller([][2]string{{"authorization", "bearer " + subject}})
	if !ok {
		t.Fatal("no subject token found")
	}
	life := w.source.life(c)
	w.source.ask(life, &fakeRequest{})
	w.runRoot()
	if body := string(w.calls[0].call.body); !strings.Contains(body, "&subject_token="+subject) || !strings.Contains(body, "subject_token_type=urn%3Aietf") {
		t.Errorf("body: got %q", body)
	}
	w.answer(t, answer{status: 200, body: []byte(`{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}`)})
	if left := life.token.expiresAt - w.clock; left != 20*time.Second {
		t.Errorf("lifetime: got %s, expected the subject's 20s", left)
	}
}

func TestNoSubjectToken(t *testing.T) {
	exchange := &subjectToken{header: "authorization"}
	custom := &subjectToken{header: "x-user-token"}
	tests := map[string]struct {
		subject *subjectToken
		value   string
		want    string
	}{
		"bearer":                 {exchange, "Bearer abc.def", "abc.def"},
		"other case and spaces":  {exchange, " bEARER   abc ", "abc"},
		"empty":                  {exchange, "", ""},
		"scheme only":            {exchange, "Bearer ", ""},
		"basic":                  {exchange, "Basic YTpi", ""},
		"no scheme":              {exchange, "abc", ""},
		"two tokens":             {exchange, "Bearer abc, Bearer def", ""},
		"form injection":         {exchange, "Bearer abc&scope=admin", ""},
		"own header":             {custom, "abc", "abc"},
		"own header with bearer": {custom, "Bearer abc", "abc"},
		"own header, two words":  {custom, "Token abc", ""},
	}
	for name, test := range tests {
		got, ok := test.subject.bearer(test.value)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: got %q and %v, expected %q", name, got, ok, test.want)
		}
	}
}
