package share

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// gatewayOf has so many workers that share their tokens: one for all requests, or those of callers.
func gatewayOf(policy *cache.Policy, caller token.Caller, count int) (clock *tokentest.Clock, workers []*worker) {
	clock, cells := tokentest.NewClock(), newFakeCells()
	for range count {
		if caller == nil {
			workers = append(workers, newPeer(policy, clock, cells))
		} else {
			workers = append(workers, newSharingWorker(policy, clock, cells))
		}
	}
	return clock, workers
}

func twoWorkers(policy *cache.Policy) (a, b *worker) {
	_, workers := gatewayOf(policy, nil, 2)
	return workers[0], workers[1]
}

func countFetches(workers []*worker) (n int) {
	for _, w := range workers {
		n += len(w.Fetches)
	}
	return n
}

// What can become of a fetch that a second worker waits for, and what its request is told.
func TestFetchThatIsElsewhere(t *testing.T) {
	ends := func(r result) func(*testing.T, *worker) { return func(t *testing.T, w *worker) { w.answer(t, r) } }
	outcomes := map[string]struct {
		happens  func(t *testing.T, leader *worker)
		token    string
		err      *token.Error
		ownFetch bool // the second worker then makes
	}{
		"a token":                       {ends(good("t1", time.Minute)), "t1", nil, false},
		"a refusal":                     {ends(refusal()), "", tokentest.ErrRefused, false},
		"no service":                    {ends(unavailable()), "", tokentest.ErrUnavailable, false},
		"a token without a life":        {ends(good("t1", 0)), "own", nil, true},
		"a failure that is not shared":  {ends(result{Err: tokentest.ErrInternal}), "own", nil, true},
		"its configuration is replaced": {func(_ *testing.T, w *worker) { w.Close() }, "own", nil, true},
		"it dies":                       {func(_ *testing.T, w *worker) { w.clock.Pass(patience) }, "own", nil, true},
	}
	for name, outcome := range outcomes {
		for _, caller := range []token.Caller{nil, named("a")} {
			t.Run(fmt.Sprintf("%s, caller %v", name, caller != nil), func(t *testing.T) {
				clock, workers := gatewayOf(defaults(), caller, 2)
				leader, follower := workers[0], workers[1]
				leader.askFor(caller)
				r, _ := follower.askFor(caller)
				follower.tick()
				if len(follower.Fetches) != 0 || r.Told != 0 || !follower.shared.IsWaiting() {
					t.Fatalf("while the other fetches: %d fetches, told %d times; expected to wait", len(follower.Fetches), r.Told)
				}
				outcome.happens(t, leader)
				clock.Pass(poll)
				follower.tick()
				if got := len(follower.Fetches) == 1; got != outcome.ownFetch {
					t.Fatalf("its own fetch: got %v, expected %v", got, outcome.ownFetch)
				}
				if outcome.ownFetch {
					follower.answer(t, good("own", time.Minute))
				}
				checkTold(t, r, outcome.token, outcome.err)
				if follower.shared.IsWaiting() {
					t.Error("at the end: a fetch is still open")
				}
				if !outcome.ownFetch && follower.stats.Coalesced != 1 && outcome.err == nil {
					t.Errorf("coalesced: got %d, expected 1", follower.stats.Coalesced)
				}
			})
		}
	}
}

func checkTold(t *testing.T, r *request, want string, err *token.Error) {
	t.Helper()
	if r.Told != 1 || !tokentest.FailedAs(r.Err, err) || (r.Token == nil) != (want == "") || r.Token != nil && r.Token.Values[0] != want {
		t.Errorf("told %d times, %+v and %v; expected %q and %v", r.Told, r.Token, r.Err, want, err)
	}
}

// The services that forbid to keep their tokens are called for each request, by workers that do not wait for each other.
func TestTokensThatAreNotKept(t *testing.T) {
	_, workers := gatewayOf(defaults(), named("a"), 2)
	for _, w := range workers {
		w.fetchFor(t, named("a"), good("once", 0))
	}
	for _, w := range workers {
		w.askFor(named("a"))
		if len(w.Fetches) != 2 {
			t.Errorf("got %d fetches, expected one for each request", len(w.Fetches))
		}
	}
}

// The wall clock of the machine is set before the other worker looks at the record.
func TestSharedTokenAfterTheClockWasSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		a, b := twoWorkers(defaults())
		a.fetchOnce(t, good("t1", time.Minute))
		a.clock.Date = a.clock.Date.Add(jump)
		_, reply := b.ask()
		if want := jump < 0; (reply.Token != nil) != want {
			t.Errorf("%s: got %s, expected to be served: %v", name, told(reply), want)
		}
		reply.Ticket.Cancel()
		a.clock.Pass(time.Minute)
		if _, reply := b.ask(); reply.Token != nil {
			t.Errorf("%s, after its end: got %s, expected no token", name, told(reply))
		}
	}
}

// A success that was begun before the failure does not end the wait, in one worker; the token that another
// worker stored does, whenever it was asked for.
func TestAdoptedTokenDoesNotEndRetryAfter(t *testing.T) {
	a, b := twoWorkers(defaults())
	b.ask() // under way
	a.ask() // left to b
	a.clock.Pass(patience)
	a.tick() // under way, after all
	a.clock.Pass(time.Millisecond)
	a.answer(t, tokentest.UnavailableFor(time.Minute))
	b.answer(t, good("t1", 5*time.Second)) // begun before
	a.tick()                               // adopts t1
	a.clock.Pass(6 * time.Second)          // t1 is over, 54 s of Retry-After are not
	if _, reply := a.ask(); reply.Waiting {
		t.Errorf("got %s, expected no call before the minute is over", told(reply))
	}
}

// Of two workers, one rejects the token while the service can't answer: it serves on in both, and in one that has just
// started.
func TestRejectionIsShared(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.RefreshBefore = time.Minute, 0
	a, b := twoWorkers(p)
	a.fetchOnce(t, good("t1", time.Hour))
	b.serves(t, "t1")
	a.reject(nil)
	a.fetchOnce(t, unavailable())
	a.serves(t, "t1")
	late := newPeer(p, a.clock, a.cells)
	late.serves(t, "t1")
	if late.stats.StaleServed != 1 || late.stats.Hits != 0 {
		t.Errorf("a worker that has just started: got %+v, expected the rejected token to serve as a stale one", late.stats)
	}
	b.reject(nil) // by its own view, which is older
	b.serves(t, "t1")
	b.clock.Pass(time.Minute)
	_, reply := b.ask()
	b.run()
	if reply.Token == nil || len(b.Fetches) != 1 {
		t.Fatalf("after the wait: got %s and %d calls, expected to be served while one call tries", told(reply), len(b.Fetches))
	}
	b.answer(t, good("t2", time.Hour))
	for _, w := range []*worker{a, b, late} {
		w.clock.Pass(time.Second)
		w.ask()
		w.tick()
		w.serves(t, "t2")
	}
}

// However an upstream rejects one token after the other, all workers together ask for as many as one would.
func TestRejectionsInTwoWorkersAreSpaced(t *testing.T) {
	clock, workers := gatewayOf(defaults(), named("a"), 2)
	for range 60 * 100 {
		for _, w := range workers {
			r, reply := w.askFor(named("a"))
			w.run()
			if reply.Waiting && r.Told == 0 {
				w.answer(t, good(fmt.Sprint("t", countFetches(workers)), time.Hour))
			}
			w.reject(named("a"))
		}
		clock.Pass(10 * time.Millisecond)
	}
	if n := countFetches(workers); n > 8 { // at once, then after 1, 3, 7, 15 and 31 s and a little
		t.Errorf("a minute of rejections: got %d calls, expected at most 8", n)
	}
}

// One worker renews the token of a caller, whichever they come to, and all go on with it.
func TestRenewalForAllWorkers(t *testing.T) {
	clock, workers := gatewayOf(defaults(), named("a"), 3)
	workers[0].fetchFor(t, named("a"), good("t1", 100*time.Second))
	clock.Pass(90 * time.Second)
	for _, w := range workers {
		w.servesCaller(t, named("a"), "t1")
		w.find(named("a"))
		w.tick()
	}
	if n := countFetches(workers); n != 2 {
		t.Fatalf("got %d fetches, expected the first and one renewal", n)
	}
	workers[0].answer(t, good("t2", 100*time.Second))
	clock.Pass(200 * time.Millisecond)
	for _, w := range workers {
		w.tick()
		w.servesCaller(t, named("a"), "t2")
	}
}

func TestStaleTokenOfARefusedCallerServesNowhere(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Hour
	clock, workers := gatewayOf(p, named("a"), 2)
	a, b := workers[0], workers[1]
	a.fetchFor(t, named("a"), good("old", 10*time.Second))
	b.servesCaller(t, named("a"), "old")
	clock.Pass(11 * time.Second)
	a.fetchFor(t, named("a"), refusal())
	if _, reply := b.askFor(named("a")); !tokentest.FailedAs(reply.Err, tokentest.ErrRefused) {
		t.Errorf("the other worker: got %s, expected the refusal", told(reply))
	}
	clock.Pass(time.Minute)
	if r := b.fetchFor(t, named("a"), unavailable()); r.Token != nil {
		t.Errorf("got the token %q, which was refused", r.Token.Values[0])
	}
}

// With warmUp, one worker's call is for all. While it fails, all together try as often as one, also when each time another of
// them is the first to look.
func TestOneWorkerTriesForAll(t *testing.T) {
	p := defaults()
	p.WarmUp = true
	clock, workers := gatewayOf(p, nil, 4)
	service := &tokentest.Source{Clock: clock, OnFetch: tokentest.AtOnce(unavailable())}
	for _, w := range workers {
		w.OnFetch = func(done func(result)) {
			service.Fetch(token.Query{}, func(t token.Token, err *token.Error) { done(result{Token: t, Err: err}) })
		}
	}
	for tick := range 500 {
		clock.Pass(100 * time.Millisecond)
		for i := range workers {
			workers[(tick+i)%len(workers)].tick()
		}
	}
	tokentest.CheckBackoff(t, service.Fetches, 6)
	service.OnFetch = tokentest.AtOnce(good("t1", time.Hour))
	clock.Pass(time.Minute)
	for _, w := range workers {
		w.tick()
		w.serves(t, "t1")
	}
	if n := len(service.Fetches); n != 7 {
		t.Errorf("got %d calls, expected 6 that failed and one for all workers", n)
	}
}

// What a worker has, or knows that it may not ask for, costs no look into the shared data.
func TestRequestsSpareTheStore(t *testing.T) {
	for name, test := range map[string]struct {
		before func(t *testing.T, w, other *worker)
		most   int // looks of a thousand requests
	}{
		"a token in the cache": {func(t *testing.T, w, _ *worker) { w.fetchFor(t, named("a"), good("t", time.Minute)) }, 0},
		"a refused caller":     {func(t *testing.T, w, _ *worker) { w.fetchFor(t, named("a"), refusal()) }, 1},
		"another worker renews the token": {func(t *testing.T, w, other *worker) {
			other.fetchFor(t, named("a"), good("t1", 100*time.Second))
			w.clock.Pass(90 * time.Second)
			w.servesCaller(t, named("a"), "t1")
			other.servesCaller(t, named("a"), "t1")
			other.tick()
		}, 1},
	} {
		_, workers := gatewayOf(defaults(), named("a"), 2)
		w := workers[0]
		test.before(t, w, workers[1])
		looks := 0
		for range 1000 {
			w.cells.onLoad = func() { looks++ }
			w.find(named("a"))
			w.askFor(named("a"))
		}
		if looks > test.most {
			t.Errorf("%s: got %d looks of 1000 requests at once, expected at most %d", name, looks, test.most)
		}
	}
}
