package cache

import (
	"fmt"
	"testing"
	"time"
)

func TestRejectedByUpstream(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 100*time.Second))
	used := w.serves(t, "t1")
	for range 10 {
		w.Reject(w.Common(), used.ID)
	}
	if w.stats.Invalidated != 1 {
		t.Errorf("ten rejections of one token: got %d invalidations, expected 1", w.stats.Invalidated)
	}
	w.fetchOnce(t, good("t2", 100*time.Second))
	w.Reject(w.Common(), used.ID) // a slow answer to the old one
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
			w.Reject(w.Common(), token.ID)
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
