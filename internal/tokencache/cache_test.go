package tokencache

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestOneFetchForMany(t *testing.T) {
	w := newWorker(defaults())
	var requests []*request
	for range 100 {
		r, reply := w.ask()
		if !reply.Waiting {
			t.Fatalf("got %s, expected to wait", reply)
		}
		requests = append(requests, r)
	}
	if len(w.fetches) != 0 || w.woken != 1 {
		t.Errorf("before the root context runs: got %d fetches and %d wakes, expected 0 and 1", len(w.fetches), w.woken)
	}
	w.run()
	late, _ := w.ask()
	requests = append(requests, late)
	w.run()
	w.tick()
	if len(w.fetches) != 1 {
		t.Fatalf("fetches: got %d, expected 1", len(w.fetches))
	}
	w.answer(t, good("t1", time.Minute))
	for i, r := range requests {
		if r.told != 1 || r.token == nil || r.token.Values[0] != "t1" {
			t.Fatalf("request %d: told %d times, %v", i, r.told, r.token)
		}
	}
	w.serves(t, "t1")
	if want := (Stats{Misses: 101, Coalesced: 100, Hits: 1}); w.stats != want {
		t.Errorf("stats: got %+v, expected %+v", w.stats, want)
	}
}

// However many wait, each turn tells a few of them, in the order in which they came.
func TestWaitersAreToldInTurns(t *testing.T) {
	for name, result := range map[string]Result{"served": good("t1", time.Minute), "denied": unavailable()} {
		t.Run(name, func(t *testing.T) {
			const count = 10_000
			w := newWorker(defaults())
			var requests []*request
			for range count {
				r, _ := w.ask()
				requests = append(requests, r)
			}
			if _, reply := w.ask(); !errors.Is(reply.Err, ErrTooManyWaiting) {
				t.Errorf("the next one: got %s, expected %v", reply, ErrTooManyWaiting)
			}
			w.run()
			w.fetches[0].done(result)
			if w.woken != 1 {
				t.Errorf("after the result: got %d wakes, expected 1", w.woken)
			}
			for turn, more := 1, true; more; turn++ {
				more = w.Backlog.Turn()
				for i, r := range requests {
					if want := i < turn*TurnSize; (r.told == 1) != want {
						t.Fatalf("after turn %d: request %d told %d times, expected %v", turn, i, r.told, want)
					}
				}
			}
		})
	}
}

func TestWaitersThatLeave(t *testing.T) {
	tests := map[string]struct {
		beforeStart, beforeResult, beforeTold []int
		fetches                               int
	}{
		"the first, before the fetch begins": {beforeStart: []int{0}, fetches: 1},
		"the first, while it is under way":   {beforeResult: []int{0}, fetches: 1},
		"the first, before it is told":       {beforeTold: []int{0}, fetches: 1},
		"all, before the fetch begins":       {beforeStart: []int{0, 1, 2}, fetches: 0},
		"all, while it is under way":         {beforeResult: []int{0, 1, 2}, fetches: 1},
		"one by one":                         {beforeStart: []int{1}, beforeResult: []int{2}, beforeTold: []int{0}, fetches: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			var requests []*request
			var places []Place
			left := map[int]bool{}
			leave := func(numbers []int) {
				for _, i := range numbers {
					places[i].Leave()
					left[i] = true
				}
			}
			for range 3 {
				r, reply := w.ask()
				requests, places = append(requests, r), append(places, reply.Place)
			}
			leave(test.beforeStart)
			w.run()
			if len(w.fetches) != test.fetches {
				t.Fatalf("fetches: got %d, expected %d", len(w.fetches), test.fetches)
			}
			leave(test.beforeResult)
			if test.fetches > 0 {
				w.fetches[0].done(good("t1", time.Minute))
			}
			leave(test.beforeTold)
			w.run()
			for i, r := range requests {
				if want := !left[i]; (r.told == 1) != want || r.told > 1 {
					t.Errorf("request %d: told %d times, expected %v", i, r.told, want)
				}
			}
			for _, p := range places {
				p.Leave() // of requests that were told or have left: nothing happens
			}
			if test.fetches > 0 {
				w.serves(t, "t1")
			}
		})
	}
}

func TestMaxWaiting(t *testing.T) {
	p := defaults()
	p.MaxWaiting = 2
	w := newWorker(p)
	_, first := w.ask()
	w.ask()
	if _, third := w.ask(); !errors.Is(third.Err, ErrTooManyWaiting) {
		t.Errorf("the third: got %s, expected %v", third, ErrTooManyWaiting)
	}
	first.Place.Leave()
	if _, fourth := w.ask(); !fourth.Waiting {
		t.Errorf("after one has left: got %s, expected to wait", fourth)
	}
}

func TestExpiryToTheNanosecond(t *testing.T) {
	p := defaults()
	p.RefreshBefore = 0
	w := newWorker(p)
	w.fetchOnce(t, good("t1", 10*time.Second))
	w.clock.pass(10*time.Second - 1)
	w.serves(t, "t1")
	w.clock.pass(1)
	if _, reply := w.ask(); !reply.Waiting {
		t.Errorf("at its expiry: got %s, expected to wait for the next", reply)
	}
}

func TestLifetimeCountsFromTheCall(t *testing.T) {
	w := newWorker(defaults())
	w.ask()
	w.run()
	w.clock.pass(4 * time.Second)
	w.answer(t, good("t1", 10*time.Second))
	w.clock.pass(6*time.Second - 1)
	w.serves(t, "t1")
	w.clock.pass(1)
	if _, reply := w.ask(); !reply.Waiting {
		t.Errorf("ten seconds after the call: got %s, expected to wait for the next", reply)
	}
}

func TestCoarseClockKeepsAwayFromTheEnd(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 10*time.Second))
	e, end := w.Common(), w.clock.now+10*time.Second
	if e.Fresh(end-nearEnd-1) == nil || e.Fresh(end-nearEnd) != nil {
		t.Error("Fresh: expected a token until nearEnd before its expiry, not longer")
	}
}

func TestTokenWithoutALifetimeIsNotKept(t *testing.T) {
	p := defaults()
	p.StaleIfError = 100 * time.Second
	w := newWorker(p)
	if r := w.fetchOnce(t, good("t1", 0)); r.token == nil {
		t.Errorf("the request that waited got %v, expected the token", r.err)
	}
	if _, reply := w.ask(); !reply.Waiting {
		t.Errorf("the next request: got %s, expected to wait for a fetch of its own", reply)
	}
}

func TestBackoffAfterFailures(t *testing.T) {
	for name, result := range map[string]Result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, result)
			for failures := 1; failures < 10; failures++ {
				wait := min(time.Second<<(failures-1), MaxBackoff)
				w.clock.pass(wait - 1)
				if _, reply := w.ask(); !errors.Is(reply.Err, result.Failure.Err) {
					t.Fatalf("%d failures, before %s: got %s, expected to be denied at once", failures, wait, reply)
				}
				w.clock.pass(wait/5 + 1)
				w.fetchOnce(t, result)
			}
			w.clock.pass(MaxBackoff)
			w.fetchOnce(t, good("t1", time.Minute))
			w.serves(t, "t1")
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct{ asked, want time.Duration }{
		"longer than the backoff":  {20 * time.Second, 20 * time.Second},
		"at most":                  {24 * time.Hour, MaxRetryAfter},
		"shorter than the backoff": {0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, Result{Failure: &Failure{Err: errUnavailable, Unavailable: true, RetryAfter: test.asked}})
			w.clock.pass(test.want - 1)
			if _, reply := w.ask(); reply.Err == nil {
				t.Errorf("before its time: got %s, expected to be denied", reply)
			}
			w.clock.pass(time.Second)
			if _, reply := w.ask(); !reply.Waiting {
				t.Errorf("after its time: got %s, expected to wait", reply)
			}
		})
	}
}

func TestStaleIfError(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.RefreshBefore = 5*time.Second, 0
	w := newWorker(p)
	w.fetchOnce(t, good("t1", 10*time.Second))
	w.clock.pass(10 * time.Second)
	if r := w.fetchOnce(t, unavailable()); r.token == nil || r.token.Values[0] != "t1" {
		t.Fatalf("the request that waited: got %+v, expected the stale token", r)
	}
	w.serves(t, "t1") // within the backoff
	w.clock.pass(3 * time.Second)
	if w.serves(t, "t1"); w.woken == 0 {
		t.Error("after the backoff: nothing was woken, expected a fetch beside the stale token")
	}
	w.run()
	w.answer(t, unavailable())
	w.clock.pass(2*time.Second - 1)
	w.serves(t, "t1")
	w.clock.pass(1)
	if _, reply := w.ask(); reply.Token != nil {
		t.Errorf("after staleIfError: got %s, expected no token", reply)
	}
	if w.stats.StaleServed != 4 {
		t.Errorf("StaleServed: got %d, expected 4", w.stats.StaleServed)
	}
}

func TestNothingIsStaleAfterARefusal(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Minute
	t.Run("when the token has expired", func(t *testing.T) {
		w := newWorker(p)
		w.fetchOnce(t, good("t1", 10*time.Second))
		w.clock.pass(10 * time.Second)
		if r := w.fetchOnce(t, refusal()); !errors.Is(r.err, errRefused) {
			t.Errorf("the request that waited: got %+v, expected the refusal", r)
		}
		w.clock.pass(2 * time.Second)
		if r := w.fetchOnce(t, unavailable()); r.token != nil {
			t.Errorf("after a later outage: got the token, expected none")
		}
	})
	t.Run("when it is still valid", func(t *testing.T) {
		w := newWorker(p)
		w.fetchOnce(t, good("t1", 10*time.Second))
		w.clock.pass(9500 * time.Millisecond)
		w.serves(t, "t1")
		w.tick()
		w.answer(t, refusal())
		w.serves(t, "t1")
		w.clock.pass(time.Second)
		if _, reply := w.ask(); reply.Token != nil {
			t.Errorf("after its end: got %s, expected no token", reply)
		}
	})
}

func TestStaleTokenDoesNotOutliveItsSubject(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Minute
	w := newWorker(p)
	w.fetchOnce(t, Result{Grant: Grant{Values: []string{"t1"}, Lifetime: 10 * time.Second, SubjectLifetime: 12 * time.Second}})
	w.clock.pass(10 * time.Second)
	w.fetchOnce(t, unavailable())
	w.clock.pass(2*time.Second - 1)
	w.serves(t, "t1")
	w.clock.pass(1)
	if _, reply := w.ask(); reply.Token != nil {
		t.Errorf("after its subject's end: got %s, expected no token", reply)
	}
}

func TestRejectedByUpstream(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 100*time.Second))
	used := w.serves(t, "t1")
	for range 10 {
		w.Reject(w.Common(), used)
	}
	if w.stats.Invalidated != 1 {
		t.Errorf("ten rejections of one token: got %d invalidations, expected 1", w.stats.Invalidated)
	}
	w.fetchOnce(t, good("t2", 100*time.Second))
	w.Reject(w.Common(), used) // a slow answer to the old one
	w.serves(t, "t2")
}

// minuteOfRejections has an upstream reject every token of the workers for a minute, and
// returns how many fetches they made.
func minuteOfRejections(t *testing.T, workers ...*worker) (fetches int) {
	t.Helper()
	for range 60 * 100 {
		for i, w := range workers {
			r, reply := w.ask()
			w.run()
			token := reply.Token
			if reply.Waiting {
				w.answer(t, good(fmt.Sprintf("t%d", len(w.fetches)), time.Hour))
				token = r.token
			}
			w.Reject(w.Common(), token)
			if i == 0 {
				w.clock.pass(10 * time.Millisecond)
			}
		}
	}
	for _, w := range workers {
		fetches += len(w.fetches)
	}
	return fetches
}

func TestUpstreamThatAlwaysRejects(t *testing.T) {
	// At once, then after 1, 3, 7, 15 and 31 s and a little.
	if fetches := minuteOfRejections(t, newWorker(defaults())); fetches > 8 {
		t.Errorf("a minute of rejections: got %d fetches, expected at most 8", fetches)
	}
	a := newWorker(defaults())
	b := newColleague(defaults(), a.clock, a.store)
	if fetches := minuteOfRejections(t, a, b); fetches > 8 {
		t.Errorf("a minute of rejections in two workers: got %d fetches, expected at most 8 as in one", fetches)
	}
}

func TestFetchThatNeverEnds(t *testing.T) {
	w := newWorker(defaults())
	r, _ := w.ask()
	w.run()
	w.clock.pass(timeout - 1)
	w.tick()
	if r.told != 0 {
		t.Fatal("told before the deadline")
	}
	w.clock.pass(1)
	w.tick()
	if r.told != 1 || !errors.Is(r.err, ErrNoResult) {
		t.Fatalf("at the deadline: told %d times, %v", r.told, r.err)
	}
	w.answer(t, good("t1", time.Minute)) // too late
	if r.told != 1 || w.Common().fetch.state != idle {
		t.Errorf("the late result: told %d times, state %v", r.told, w.Common().fetch.state)
	}
}

func TestFetchThatFailsAtOnce(t *testing.T) {
	w := newWorker(defaults())
	w.onFetch = func(done func(Result)) { done(unavailable()) }
	r, _ := w.ask()
	w.run()
	if r.told != 1 || !errors.Is(r.err, errUnavailable) {
		t.Errorf("told %d times, %v", r.told, r.err)
	}
}

func TestPanicInAFetchLeavesNobodyWaiting(t *testing.T) {
	w := newWorker(defaults())
	w.onFetch = func(func(Result)) { panic("in the fetcher") }
	r, _ := w.ask()
	w.run()
	if r.told != 1 || !errors.Is(r.err, ErrPanic) || len(w.panics) != 1 {
		t.Errorf("told %d times, %v, %d panics; expected once, %v and 1", r.told, r.err, len(w.panics), ErrPanic)
	}
}

func TestClockThatJumps(t *testing.T) {
	tests := map[string]struct {
		jump  time.Duration
		serve bool
	}{
		"ahead past the end":      {time.Hour, false},
		"ahead, not to the end":   {30 * time.Second, true},
		"back":                    {-time.Hour, true},
		"a drift, and not a jump": {100 * time.Millisecond, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, good("t1", time.Minute))
			w.clock.wall = w.clock.wall.Add(test.jump)
			w.tick()
			if _, reply := w.ask(); (reply.Token != nil) != test.serve {
				t.Errorf("after the jump: got %s, expected to be served: %v", reply, test.serve)
			}
			w.clock.pass(time.Minute)
			if _, reply := w.ask(); reply.Token != nil {
				t.Errorf("after its end: got %s, expected no token", reply)
			}
		})
	}
}
