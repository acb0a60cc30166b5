package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/redistest"
	"token-fetch/internal/token"
)

// lonely is a gateway whose Redis and token service answer when the test says so.
type lonely struct {
	*Fetcher
	now     time.Duration
	evals   []eval
	calls   []func(result)
	failsAt bool // the token service fails at once
}

// result is what a fetch brings: a token or, if err is not nil, none.
type result struct {
	token token.Token
	err   *token.Error
}

func (f *Fetcher) fetch(caller token.Caller, done func(result)) {
	f.Fetch(token.Query{Caller: caller}, func(t token.Token, err *token.Error) { done(result{t, err}) })
}

// eval is a script that Redis has been sent.
type eval struct {
	script string
	args   []string
	done   func(string, error)
}

func (g *lonely) Eval(script string, _, args []string, done func(string, error)) error {
	g.evals = append(g.evals, eval{script, args, done})
	return nil
}

func (g *lonely) Fetch(_ token.Query, tell func(token.Token, *token.Error)) {
	done := func(r result) { tell(r.token, r.err) }
	g.calls = append(g.calls, done)
	if g.failsAt {
		done(result{err: &token.Error{Reason: token.NotSent, Detail: "has no room for more calls"}})
	}
}

func (g *lonely) Monotonic() time.Duration { return g.now }
func (g *lonely) Wall() time.Time          { return time.Unix(0, int64(g.now)) }
func (g *lonely) RedisFailed(error)        {}
func (g *lonely) RedisWorks()              {}

func newLonely() *lonely {
	g := &lonely{now: time.Hour}
	g.Fetcher = &Fetcher{
		Redis: g, Calls: g, Clock: g, Log: g, Names: NewNames("test:", token.Key{1}),
		Policy: Policy{Timeout: testTimeout, Backoff: time.Second, Values: 1, RefreshBefore: func(time.Duration) time.Duration { return 0 }, IsHeaderValue: isPrintable},
	}
	return g
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// pass lets the time pass, with a Tick every few milliseconds.
func (g *lonely) pass(d time.Duration) {
	for end := g.now + d; g.now < end; {
		g.now += 4 * time.Millisecond
		g.Tick(g.now, cache.BatchSize)
	}
}

func (g *lonely) count(script string) (n int) {
	for _, e := range g.evals {
		if e.script == script {
			n++
		}
	}
	return n
}

func (g *lonely) reply(text string) { g.evals[len(g.evals)-1].done(text, nil) }

func record(value string) string {
	return encode(token.Token{Values: []string{value}, ID: 1, Lifetime: time.Minute}, keyAt(1), nil)
}

// A call whose end the host never tells keeps no lease, and its attempt is not kept either.
func TestCallThatNeverEnds(t *testing.T) {
	g := newLonely()
	var results []result
	g.fetch(nil, func(r result) { results = append(results, r) })
	g.reply("lease 1000 ")
	g.pass(MaxWait(testTimeout) + 2*time.Second)
	if g.IsWaiting() {
		t.Error("the attempt is still open, expected it to have ended")
	}
	if len(results) != 1 || results[0].err == nil {
		t.Errorf("got the results %+v, expected one failure", results)
	}
	extended := g.count(scriptExtend)
	g.pass(5 * time.Second)
	if more := g.count(scriptExtend) - extended; more > 0 {
		t.Errorf("the lease was extended %d times after the end of the call, expected never", more)
	}
	g.calls[0](result{token: token.Token{Values: []string{"late"}, Lifetime: time.Minute}})
	if len(results) != 1 || g.count(scriptStore) != 0 {
		t.Errorf("a late result: got %d results, %d stored, expected it to change nothing", len(results), g.count(scriptStore))
	}
}

// many are more than a host can take in one callback: see cache.BatchSize.
const many = 1000

// numbered is a caller.
type numbered int

func (n numbered) Values() string { return fmt.Sprint(int(n)) }
func (n numbered) Size() int      { return 100 }
func (n numbered) Key() token.Key { return token.Key{1: byte(n), 2: byte(n >> 8)} }
func (g *lonely) begin(done *int) *lonely {
	for n := range many {
		g.fetch(numbered(n), func(result) { *done++ })
	}
	return g
}

// However many attempts are due at once, a callback does a part of them: each call that fails at once costs a level of
// the host's stack.
func TestTickIsBounded(t *testing.T) {
	tests := map[string]struct {
		reply string        // to each look
		after time.Duration // that all are due
		count func(*lonely) int
	}{
		"Redis never answers":   {after: testTimeout, count: func(g *lonely) int { return len(g.calls) }},
		"other gateways call":   {reply: "busy 1000 ", after: pollPeriod, count: func(g *lonely) int { return len(g.evals) }},
		"leases to be extended": {reply: "lease 1000 ", after: testTimeout / 2, count: func(g *lonely) int { return len(g.evals) }},
	}
	for name, tt := range tests {
		g, done := newLonely(), 0
		g.failsAt = tt.reply == ""
		g.begin(&done)
		if tt.reply != "" {
			for _, e := range g.evals {
				e.done(tt.reply, nil)
			}
		}
		g.now += tt.after
		for before, ticks := tt.count(g), 0; tt.count(g) < before+many; ticks++ {
			at := tt.count(g)
			g.Tick(g.now, cache.BatchSize)
			if did := tt.count(g) - at; did == 0 || did > cache.BatchSize {
				t.Fatalf("%s, tick %d: got %d done at once, expected 1 to %d", name, ticks, did, cache.BatchSize)
			}
		}
	}
	g := newLonely()
	for n := range many {
		g.Rejected(numbered(n), 1)
	}
	for len(g.rejected) > 0 {
		before := len(g.evals)
		if !g.IsWaiting() {
			t.Fatal("not waiting, expected so while Redis has not been told of all rejections")
		}
		g.Tick(g.now, cache.BatchSize)
		if told := len(g.evals) - before; told == 0 || told > cache.BatchSize {
			t.Fatalf("got %d rejections told at once, expected 1 to %d", told, cache.BatchSize)
		}
	}
}

// A reply can be late: what it says of the time that is left was true when it was sent.
func TestTokenThatEndsOnItsWay(t *testing.T) {
	g := newLonely()
	var got *result
	g.fetch(nil, func(r result) { got = &r })
	g.now += 300 * time.Millisecond
	g.reply("token 200 " + record("old"))
	if got != nil {
		t.Fatalf("got %+v, expected no token that may have ended 100 ms ago", got)
	}
	if g.pass(pollPeriod); g.count(scriptLook) != 2 {
		t.Errorf("got %d looks, expected another one", g.count(scriptLook))
	}
	g.pass(testTimeout)
	if len(g.calls) != 1 {
		t.Errorf("got %d calls, expected one when the timeout has passed", len(g.calls))
	}
}

// What Redis has may be anybody's, without an encryptionKey.
func TestValueThatNoHeaderCanCarry(t *testing.T) {
	tests := map[string]struct {
		value string
		ok    bool
	}{
		"a token":      {"Bearer a.b~c", true},
		"no token":     {"", false},
		"a new header": {"a\r\nx-admin: true", false},
		"a line end":   {"a\n", false},
		"a zero":       {"a\x00", false},
		"DEL":          {"a\x7f", false},
		"too long":     {strings.Repeat("x", 64<<10+1), false},
	}
	for name, tt := range tests {
		if _, ok := newLonely().read(record(tt.value), keyAt(1)); ok != tt.ok {
			t.Errorf("%s: got %t, expected %t", name, ok, tt.ok)
		}
	}
}

// While the token that the fleet has is due for renewal, it serves the gateway whose call fails.
func TestCallFailsWhileTokenIsValid(t *testing.T) {
	tests := map[string]struct {
		left  time.Duration
		takes time.Duration
		token bool
	}{
		"valid":         {10 * time.Second, 100 * time.Millisecond, true},
		"has ended now": {100 * time.Millisecond, 100 * time.Millisecond, false},
	}
	for name, tt := range tests {
		g := newLonely()
		var got result
		g.fetch(nil, func(r result) { got = r })
		g.reply(fmt.Sprintf("lease 1000 %d %s", tt.left.Milliseconds(), record("fleet's")))
		g.now += tt.takes
		g.calls[0](result{err: &token.Error{Reason: token.ServerError, Detail: "down"}})
		if isServed := got.token.Lifetime > 0; isServed != tt.token || isServed != (got.err == nil) {
			t.Errorf("%s: got %+v, expected a token: %t", name, got, tt.token)
			continue
		}
		if tt.token && (got.token.Values[0] != "fleet's" || got.token.Lifetime > tt.left) {
			t.Errorf("%s: got %+v, expected the fleet's token for at most %s", name, got.token, tt.left)
		}
		if g.count(scriptFail) != 1 {
			t.Errorf("%s: got %d failures told to the fleet, expected 1", name, g.count(scriptFail))
		}
	}
}

// A gateway that has just started is served with the fleet's token also when that is due and the token service is down.
func TestNewGatewayWhileServiceIsDown(t *testing.T) {
	redis := redistest.Start(t)
	s := &service{lifetime: time.Minute, takes: time.Millisecond}
	fleet := startFleet(t, redis.Address, fleetOptions{gateways: 2, service: s, key: testKey})
	checkAnswers(t, askAll(fleet[:1]))
	waitFor(t, "the token in Redis", func() bool { return redis.Do("EXISTS", keyAt(1)) == ":1" })
	redis.Do("DEL", keyAt(2)) // it is due
	s.failing.Store(true)
	if a := fleet[1].ask(); a.token != "token-1" {
		t.Errorf("got %q and the error %v, expected the fleet's token", a.token, a.err)
	}
	if calls := s.calls.Load(); calls != 2 {
		t.Errorf("got %d calls, expected 2: the renewal was tried", calls)
	}
}
