package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// outcomes are what can become of a fetch that a second worker waits for, and what its request is told.
var outcomes = map[string]struct {
	happens  func(t *testing.T, leader *worker)
	token    string
	err      *token.Error
	ownFetch bool // the second worker then makes
}{
	"a token":    {func(t *testing.T, w *worker) { w.answer(t, good("t1", time.Minute)) }, "t1", nil, false},
	"a refusal":  {func(t *testing.T, w *worker) { w.answer(t, refusal()) }, "", errRefused, false},
	"no service": {func(t *testing.T, w *worker) { w.answer(t, unavailable()) }, "", errUnavailable, false},
	"what it wrote panics": {func(t *testing.T, w *worker) {
		w.answer(t, good("t1", time.Minute))
		w.store.onLoad = func() { panic("in the store") }
	}, "", errPanic, false},
	"a token without a life": {func(t *testing.T, w *worker) { w.answer(t, good("t1", 0)) }, "", nil, true},
	"a failure that is not shared": {func(t *testing.T, w *worker) {
		w.answer(t, result{err: errPanic})
	}, "", nil, true},
	"its configuration is replaced": {func(_ *testing.T, w *worker) { w.Close() }, "", nil, true},
	"it dies":                       {func(_ *testing.T, w *worker) { w.clock.pass(patience) }, "", nil, true},
}

func TestFetchThatIsElsewhere(t *testing.T) {
	for name, outcome := range outcomes {
		for _, caller := range []token.Caller{nil, named("a")} {
			t.Run(fmt.Sprintf("%s, caller %v", name, caller != nil), func(t *testing.T) {
				clock, workers := gateway(defaults(), 2)
				if caller == nil {
					store := workers[0].store
					workers = []*worker{newColleague(defaults(), clock, store), newColleague(defaults(), clock, store)}
				}
				leader, follower := workers[0], workers[1]
				leader.askFor(caller)
				leader.run()
				r, _ := follower.askFor(caller)
				follower.run()
				follower.tick()
				if len(follower.fetches) != 0 || r.told != 0 || !follower.Scheduler.IsWatching() {
					t.Fatalf("while the other fetches: %d fetches, told %d times; expected to wait", len(follower.fetches), r.told)
				}
				if follower.stats.Coalesced != 1 {
					t.Errorf("coalesced: got %d, expected 1", follower.stats.Coalesced)
				}
				outcome.happens(t, leader)
				clock.pass(time.Millisecond)
				follower.tick()
				if got := len(follower.fetches) == 1; got != outcome.ownFetch {
					t.Fatalf("a fetch of its own: got %v, expected %v", got, outcome.ownFetch)
				}
				want, wantErr := outcome.token, outcome.err
				if outcome.ownFetch {
					follower.answer(t, good("own", time.Minute))
					want = "own"
				}
				checkTold(t, r, want, wantErr)
				if follower.fetching != 0 || follower.Scheduler.IsWatching() {
					t.Errorf("at the end: %d fetches, watching %v", follower.fetching, follower.Scheduler.IsWatching())
				}
			})
		}
	}
}

func checkTold(t *testing.T, r *request, want string, err *token.Error) {
	t.Helper()
	if r.told != 1 || !failedAs(r.err, err) || (r.token == nil) != (want == "") || r.token != nil && r.token.Values[0] != want {
		t.Errorf("told %d times, %+v and %v; expected %q and %v", r.told, r.token, r.err, want, err)
	}
}

// A request that has left is no reason to look for its token, or to fetch it.
func TestClientLeavesWhileTheFetchIsElsewhere(t *testing.T) {
	_, workers := gateway(defaults(), 2)
	leader, follower := workers[0], workers[1]
	leader.askFor(named("a"))
	leader.run()
	_, reply := follower.askFor(named("a"))
	follower.run()
	reply.Place.Leave()
	follower.clock.pass(patience)
	follower.tick()
	if len(follower.fetches) != 0 || follower.Scheduler.IsWatching() || len(follower.entries) != 0 {
		t.Errorf("got %d fetches, %d entries, watching %v; expected nothing", len(follower.fetches), len(follower.entries), follower.Scheduler.IsWatching())
	}
}

// The services that forbid to keep their tokens are called for each request, by workers that do not wait for each other.
func TestTokensThatAreNotKept(t *testing.T) {
	_, workers := gateway(defaults(), 2)
	for _, w := range workers {
		w.fetchFor(t, named("a"), good("once", 0))
	}
	for _, w := range workers {
		w.askFor(named("a"))
		w.run()
		if len(w.fetches) != 2 {
			t.Errorf("got %d fetches, expected one for each request", len(w.fetches))
		}
	}
}

// A panic in the turn in which a fetch is left to another worker leaves nobody waiting either.
func TestPanicWhenAFetchIsBegun(t *testing.T) {
	_, workers := gateway(defaults(), 2)
	workers[1].pace()
	r, _ := workers[1].askFor(named("a"))
	workers[1].store.onLoad = func() { panic("in the store") }
	workers[1].run()
	checkTold(t, r, "", errPanic)
	if n := len(workers[1].panics); n != 1 || len(workers[1].fetches) != 0 {
		t.Errorf("got %d panics and %d fetches, expected one panic", n, len(workers[1].fetches))
	}
}
