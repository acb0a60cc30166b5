package share

import (
	"testing"
	"time"
)

func twoWorkers() (a, b *worker) {
	a = newWorker(defaults())
	return a, newPeer(defaults(), a.clock, a.cells)
}

// The wall clock of the machine is set back before the colleague looks at the record.
func TestSharedTokenAfterTheClockWasSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		a, b := twoWorkers()
		a.fetchOnce(t, good("t1", time.Minute))
		a.clock.wall = a.clock.wall.Add(jump)
		_, reply := b.ask()
		if want := jump < 0; (reply.Token != nil) != want {
			t.Errorf("%s: got %s, expected to be served: %v", name, told(reply), want)
		}
		reply.Ticket.Cancel()
		a.clock.pass(time.Minute)
		if _, reply := b.ask(); reply.Token != nil {
			t.Errorf("%s, after its end: got %s, expected no token", name, told(reply))
		}
	}
}

// A success that was begun before the failure does not end the wait, in one worker; the token that another
// worker stored does, whenever it was asked for.
func TestAdoptedTokenDoesNotEndRetryAfter(t *testing.T) {
	clock, cells := newFakeClock(), newFakeCells()
	a, b := newPeer(defaults(), clock, cells), newPeer(defaults(), clock, cells)
	b.ask()
	b.run() // under way
	a.ask()
	a.run() // left to b
	clock.pass(patience)
	a.tick() // under way, after all
	clock.pass(time.Millisecond)
	a.answer(t, unavailableFor(time.Minute))
	b.answer(t, good("t1", 5*time.Second)) // begun before
	a.tick()                               // adopts t1
	clock.pass(6 * time.Second)            // t1 is over, 54 s of Retry-After are not
	if _, reply := a.ask(); reply.Waiting {
		t.Errorf("got %s, expected no call before the minute is over", told(reply))
	}
}

// Of two workers, one rejects the token while the service can't answer: it serves on in both, and in one that has just
// started.
func TestRejectionIsShared(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.RefreshBefore = time.Minute, 0
	clock, cells := newFakeClock(), newFakeCells()
	a, b := newPeer(p, clock, cells), newPeer(p, clock, cells)
	a.fetchOnce(t, good("t1", time.Hour))
	b.serves(t, "t1")
	a.reject(nil)
	a.fetchOnce(t, unavailable())
	a.serves(t, "t1")
	late := newPeer(p, clock, cells)
	late.serves(t, "t1")
	if late.stats.StaleServed != 1 || late.stats.Hits != 0 {
		t.Errorf("a worker that has just started: got %+v, expected the rejected token to serve as a stale one", late.stats)
	}
	b.reject(nil) // by its own view, which is older
	b.serves(t, "t1")
	clock.pass(time.Minute)
	_, reply := b.ask()
	b.run()
	if reply.Token == nil || len(b.fetches) != 1 {
		t.Fatalf("after the wait: got %s and %d calls, expected to be served while one call tries", told(reply), len(b.fetches))
	}
	b.answer(t, good("t2", time.Hour))
	for _, w := range []*worker{a, b, late} {
		w.clock.pass(time.Second)
		w.ask()
		w.tick()
		w.serves(t, "t2")
	}
}
