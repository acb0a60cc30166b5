package share

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
	"a token":                {func(t *testing.T, w *worker) { w.answer(t, good("t1", time.Minute)) }, "t1", nil, false},
	"a refusal":              {func(t *testing.T, w *worker) { w.answer(t, refusal()) }, "", errRefused, false},
	"no service":             {func(t *testing.T, w *worker) { w.answer(t, unavailable()) }, "", errUnavailable, false},
	"a token without a life": {func(t *testing.T, w *worker) { w.answer(t, good("t1", 0)) }, "", nil, true},
	"a failure that is not shared": {func(t *testing.T, w *worker) {
		w.answer(t, result{err: errInternal})
	}, "", nil, true},
	"its configuration is replaced": {func(_ *testing.T, w *worker) { w.Close() }, "", nil, true},
	"it dies":                       {func(_ *testing.T, w *worker) { w.clock.pass(patience) }, "", nil, true},
}

func TestFetchThatIsElsewhere(t *testing.T) {
	for name, outcome := range outcomes {
		for _, caller := range []token.Caller{nil, named("a")} {
			t.Run(fmt.Sprintf("%s, caller %v", name, caller != nil), func(t *testing.T) {
				clock, workers := sharingWorkers(defaults(), 2)
				if caller == nil {
					cells := workers[0].cells
					workers = []*worker{newPeer(defaults(), clock, cells), newPeer(defaults(), clock, cells)}
				}
				leader, follower := workers[0], workers[1]
				leader.askFor(caller)
				leader.run()
				r, _ := follower.askFor(caller)
				follower.run()
				follower.tick()
				if len(follower.fetches) != 0 || r.told != 0 || !follower.source.IsWaiting() {
					t.Fatalf("while the other fetches: %d fetches, told %d times; expected to wait", len(follower.fetches), r.told)
				}
				outcome.happens(t, leader)
				clock.pass(poll)
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
				if follower.source.IsWaiting() {
					t.Error("at the end: an attempt is still open")
				}
				if want == "t1" && follower.stats.Coalesced != 1 {
					t.Errorf("coalesced: got %d, expected 1", follower.stats.Coalesced)
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

// The services that forbid to keep their tokens are called for each request, by workers that do not wait for each other.
func TestTokensThatAreNotKept(t *testing.T) {
	_, workers := sharingWorkers(defaults(), 2)
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
