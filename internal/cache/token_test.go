package cache

import (
	"testing"
	"time"
)

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
