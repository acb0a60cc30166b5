package tokencache

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
	if len(w.fetches) != 0 || w.woken != 1 {
		t.Errorf("before the root context runs: got %d fetches and %d wakes, expected 0 and 1", len(w.fetches), w.woken)
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
