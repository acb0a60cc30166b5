package cache

import (
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
	if len(w.fetches) != 1 || w.woken != 0 {
		t.Errorf("got %d fetches and %d wakes, expected the first request to begin one, and nothing for a batch", len(w.fetches), w.woken)
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

func TestEndOfTokenInUse(t *testing.T) {
	const lifetime, step = time.Hour, time.Minute / 2
	tests := map[string]struct {
		idle, busy time.Duration // after the fetch no request comes for so long, then requests come for so long
		jump       time.Duration // of the wall clock, in the end
		isShown    bool
	}{
		"new":                             {0, 0, 0, true},
		"not due yet, and nobody uses it": {50 * time.Minute, 0, 0, true},
		"due, and nobody uses it":         {lifetime - time.Second, 0, 0, false},
		"due, and used":                   {0, lifetime - time.Minute/2, 0, true},
		"at its end":                      {0, lifetime, 0, false},
		"the clock drifts":                {0, time.Minute, 500 * time.Millisecond, true},
		"the clock is set, to its end":    {0, time.Minute, lifetime, false},
		"the clock is set, and it is not": {0, time.Minute, 10 * time.Minute, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			if end := w.EndOfTokenInUse(w.clock.now); !end.IsZero() {
				t.Errorf("before the first token: got %s, expected none", end)
			}
			w.fetchOnce(t, good("t1", lifetime))
			end := w.clock.wall.Add(lifetime)
			w.clock.pass(test.idle)
			for range test.busy / step {
				w.clock.pass(step)
				w.Common().Fresh(w.clock.now)
			}
			w.clock.wall = w.clock.wall.Add(test.jump)
			w.Tick(w.clock.now, w.clock.wall)
			got := w.EndOfTokenInUse(w.clock.now)
			if isShown := !got.IsZero(); isShown != test.isShown || isShown && !got.Equal(end) {
				t.Errorf("got %s, expected %s: %v", got, end, test.isShown)
			}
		})
	}
	if end := newPerCallerWorker(defaults(), &Memory{}).EndOfTokenInUse(0); !end.IsZero() {
		t.Errorf("tokens of callers: got %s, expected none", end)
	}
}
