package cache

import (
	"testing"
	"time"

	"token-fetch/internal/tokentest"
)

func newWarmingWorker() *worker {
	p := defaults()
	p.WarmUp = true
	return newWorker(p)
}

// ticks has the root context tick as it does, for a time.
func (w *worker) ticks(lasting time.Duration) {
	const period = 100 * time.Millisecond
	for passed := time.Duration(0); passed < lasting; passed += period {
		w.clock.Pass(period)
		w.tick()
	}
}

// The first token is fetched before any request, once; after that it is one like others.
func TestWarmUp(t *testing.T) {
	first := func(r result) func(*testing.T, *worker) {
		return func(t *testing.T, w *worker) { w.ticks(200 * time.Millisecond); w.answer(t, r) }
	}
	for name, test := range map[string]struct {
		happens func(*testing.T, *worker)
		fetches int // after it and ten seconds more
	}{
		"nothing":                  {first(good("t1", time.Minute)), 1},
		"a token that is not kept": {first(good("t1", 0)), 1},
		"a request was faster":     {func(t *testing.T, w *worker) { w.fetchOnce(t, good("t1", time.Minute)) }, 1},
		"an unused token":          {first(good("t1", 10*time.Second)), 1},
		"a token in use": {func(t *testing.T, w *worker) {
			first(good("t1", 10*time.Second))(t, w)
			w.ticks(6 * time.Second)
			w.serves(t, "t1")
		}, 2},
		"the upstream rejects it": {func(t *testing.T, w *worker) {
			first(good("t1", time.Hour))(t, w)
			w.Reject(w.Common(), w.serves(t, "t1").ID)
		}, 1},
	} {
		w := newWarmingWorker()
		test.happens(t, w)
		w.ticks(10 * time.Second)
		if len(w.Fetches) != test.fetches {
			t.Errorf("%s: got %d fetches, expected %d", name, len(w.Fetches), test.fetches)
		}
	}
	w := newWorker(defaults())
	if w.ticks(5 * time.Second); len(w.Fetches) != 0 {
		t.Errorf("no warmUp: got %d fetches, expected none before a request", len(w.Fetches))
	}
}

// Tried again by the backoff, until there is a token.
func TestWarmUpIsTriedAgain(t *testing.T) {
	for name, result := range map[string]result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWarmingWorker()
			w.OnFetch = tokentest.AtOnce(result)
			w.ticks(50 * time.Second)
			tokentest.CheckBackoff(t, w.Fetches, 6) // after 0, 1, 3, 7, 15 and 31 seconds
			w.OnFetch = tokentest.AtOnce(good("t1", time.Hour))
			w.ticks(2 * time.Minute)
			tokentest.CheckBackoff(t, w.Fetches, 7)
			w.serves(t, "t1")
		})
	}
}
