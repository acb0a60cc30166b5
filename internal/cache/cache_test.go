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
	if len(w.Fetches) != 1 || w.woken != 0 {
		t.Errorf("got %d fetches and %d wakes, expected the first request to begin one, and nothing for a batch", len(w.Fetches), w.woken)
	}
	w.run()
	late, _ := w.ask()
	requests = append(requests, late)
	w.run()
	w.tick()
	if len(w.Fetches) != 1 {
		t.Fatalf("fetches: got %d, expected 1", len(w.Fetches))
	}
	w.answer(t, good("t1", time.Minute))
	for i, r := range requests {
		if r.Told != 1 || r.Token == nil || r.Token.Values[0] != "t1" {
			t.Fatalf("request %d: told %d times, %v", i, r.Told, r.Token)
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
		"not due yet, and unused":         {50 * time.Minute, 0, 0, true},
		"due, and unused":                 {lifetime - time.Second, 0, 0, false},
		"due, and used":                   {0, lifetime - time.Minute/2, 0, true},
		"at its end":                      {0, lifetime, 0, false},
		"the clock drifts":                {0, time.Minute, 500 * time.Millisecond, true},
		"the clock is set, to its end":    {0, time.Minute, lifetime, false},
		"the clock is set, and it is not": {0, time.Minute, 10 * time.Minute, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			if end := w.EndOfTokenInUse(w.clock.Now); !end.IsZero() {
				t.Errorf("before the first token: got %s, expected none", end)
			}
			w.fetchOnce(t, good("t1", lifetime))
			end := w.clock.Date.Add(lifetime)
			w.clock.Pass(test.idle)
			for range test.busy / step {
				w.clock.Pass(step)
				w.Fresh(w.Common(), w.clock.Now)
			}
			w.clock.Date = w.clock.Date.Add(test.jump)
			w.Tick(w.clock.Now, w.clock.Date)
			got := w.EndOfTokenInUse(w.clock.Now)
			if isShown := !got.IsZero(); isShown != test.isShown || isShown && !got.Equal(end) {
				t.Errorf("got %s, expected %s: %v", got, end, test.isShown)
			}
		})
	}
	if end := newPerCallerWorker(defaults(), &Memory{}).EndOfTokenInUse(0); !end.IsZero() {
		t.Errorf("tokens of callers: got %s, expected none", end)
	}
}
