package cache

import (
	"strings"
	"testing"
	"time"
)

// A caller that was refused when its token was to be renewed: 640 bytes are counted, and its
// token is kept with it.
func TestRefusedCallerKeepsItsToken(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	c := callerOf(1, 16<<10)
	w.fetchFor(t, c, good(strings.Repeat("t", 16<<10), 10*time.Second))
	w.clock.pass(9500 * time.Millisecond)
	w.askFor(c)
	w.tick() // renewed
	w.answer(t, refusal())
	w.clock.pass(time.Second) // the token is over
	w.tick()
	e := w.entries[c.Key()]
	if e == nil || e.segment != refused {
		t.Fatalf("got %+v, expected a refused caller", e)
	}
	if e.token != nil {
		t.Errorf("a token of %d bytes is kept where %d bytes are counted", len(e.token.Values[0]), e.size)
	}
}

// The service answers again, if only with a refusal: what is stale must not serve any more.
func TestStaleAfterTheServiceAnswers(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Hour
	w := newPerCallerWorker(p, &Memory{})
	w.fetchFor(t, named("revoked"), good("old", 10*time.Second))
	w.clock.pass(20 * time.Second)
	w.fetchFor(t, named("a"), unavailable())
	w.clock.pass(time.Minute)
	w.fetchFor(t, named("b"), refusal()) // it answers
	w.clock.pass(10 * time.Minute)       // and has long been up
	if _, reply := w.askFor(named("revoked")); reply.Token != nil {
		t.Errorf("got %s, expected a call: the token service can answer", reply)
	}
}

// When the wait is over, one call finds out whether the token service is back; not one for each caller.
func TestHerdWhenTheWaitIsOver(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("first"), unavailable())
	w.clock.pass(2 * time.Second)
	before := len(w.fetches)
	for i := range 500 {
		w.askFor(callerOf(i, 10))
	}
	w.run()
	if n := len(w.fetches) - before; n > 50 {
		t.Errorf("calls to a token service that was down a moment ago: got %d, expected few", n)
	}
}

// A failure a day after the last one is a first one.
func TestOldFailuresCount(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	for i := range 6 {
		w.fetchFor(t, callerOf(i, 10), unavailable())
		w.clock.pass(40 * time.Second)
	}
	w.clock.pass(24 * time.Hour)
	w.fetchFor(t, named("later"), unavailable())
	if wait := w.outage.until - w.clock.now; wait > 2*time.Second {
		t.Errorf("wait after one failure: got %s, expected about a second", wait)
	}
}

// Fetches that were wanted before the token service asked to be left alone are not begun after it.
func TestWantedFetchesBeginInAnOutage(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	for i := range 500 {
		w.askFor(callerOf(i, 10))
	}
	w.Scheduler.RunBatch()
	w.fetches[0].done(unavailableFor(time.Minute))
	before := len(w.fetches)
	w.clock.pass(time.Second)
	w.run()
	if n := len(w.fetches) - before; n > 0 {
		t.Errorf("calls begun within the minute of Retry-After: got %d, expected none", n)
	}
}

// What the backlog has done must not keep what it was about.
func TestSchedulerKeepsNothingThatIsDone(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	for i := range 500 {
		w.askFor(callerOf(i, 16<<10))
	}
	whole := w.Scheduler.fetches
	w.run()
	for _, f := range w.fetches {
		f.done(unavailable())
	}
	w.run()
	if len(w.entries) != 0 || w.Memory.used[pending] != 0 {
		t.Fatalf("got %d entries and %v, expected none", len(w.entries), w.Memory.used)
	}
	left := 0
	for _, f := range whole {
		if f.entry != nil && f.entry.caller != nil {
			left += f.entry.caller.Size()
		}
	}
	if left > 0 {
		t.Errorf("the array of an empty backlog keeps %d bytes of callers that count as none", left)
	}
}
