package cache

import (
	"testing"
	"time"
)

// To the nanosecond, and from when the call was sent.
func TestLifetimeCountsFromTheCall(t *testing.T) {
	for _, took := range []time.Duration{0, 4 * time.Second} {
		w := newWorker(defaults())
		w.ask()
		w.clock.Pass(took)
		w.answer(t, good("t1", 10*time.Second))
		w.clock.Pass(10*time.Second - took - 1)
		w.serves(t, "t1")
		w.clock.Pass(1)
		if _, reply := w.ask(); !reply.Waiting {
			t.Errorf("a call of %s, ten seconds after it was sent: got %s, expected to wait for the next token", took, reply)
		}
	}
}

func TestCoarseClockKeepsAwayFromTheEnd(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 10*time.Second))
	e, end := w.Common(), w.clock.Now+10*time.Second
	if w.Fresh(e, end-nearEnd-1) == nil || w.Fresh(e, end-nearEnd) != nil {
		t.Error("Fresh: expected a token until nearEnd before its expiry, not longer")
	}
}

func TestTokenWithoutALifetimeIsNotKept(t *testing.T) {
	p := defaults()
	p.StaleIfError = 100 * time.Second
	w := newWorker(p)
	if r := w.fetchOnce(t, good("t1", 0)); r.Token == nil {
		t.Errorf("the request that waited got %v, expected the token", r.Err)
	}
	if _, reply := w.ask(); !reply.Waiting {
		t.Errorf("the next request: got %s, expected to wait for its own fetch", reply)
	}
}
