package tokencache

import (
	"errors"
	"testing"
	"time"
)

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
