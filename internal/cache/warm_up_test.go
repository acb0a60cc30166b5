package cache

import (
	"testing"
	"time"
)

func warming() *Policy {
	p := defaults()
	p.WarmUp = true
	return p
}

// tickAll lets workers of one gateway tick in turns, for a time.
func tickAll(lasting time.Duration, workers ...*worker) {
	const period = 100 * time.Millisecond
	for passed := time.Duration(0); passed < lasting; passed += period {
		workers[0].clock.pass(period)
		for _, w := range workers {
			w.tick()
		}
	}
}

func TestWarmUp(t *testing.T) {
	w := newWorker(warming())
	tickAll(200*time.Millisecond, w)
	if len(w.fetches) != 1 {
		t.Fatalf("after two ticks: got %d fetches, expected 1", len(w.fetches))
	}
	w.answer(t, good("t1", time.Minute))
	w.serves(t, "t1")
	if want := (Stats{Hits: 1}); w.stats != want {
		t.Errorf("stats: got %+v, expected %+v", w.stats, want)
	}
	tickAll(time.Second, w)
	if len(w.fetches) != 1 {
		t.Errorf("once it is there: got %d fetches, expected 1", len(w.fetches))
	}
}

func TestNoWarmUp(t *testing.T) {
	w := newWorker(defaults())
	tickAll(5*time.Second, w)
	if len(w.fetches) != 0 {
		t.Errorf("got %d fetches, expected none before a request", len(w.fetches))
	}
}

// After the first token, one that nobody uses is not renewed.
func TestTokenOfTheWarmUpIsRenewedWhenUsed(t *testing.T) {
	for name, used := range map[string]bool{"used": true, "not used": false} {
		w := newWorker(warming())
		tickAll(200*time.Millisecond, w)
		w.answer(t, good("t1", 10*time.Second))
		tickAll(6*time.Second, w)
		if used {
			w.serves(t, "t1")
		}
		tickAll(3500*time.Millisecond, w)
		if renewed := len(w.fetches) > 1; renewed != used {
			t.Errorf("%s: got renewed %v", name, renewed)
		}
	}
}

// answers ends every fetch of the workers at once, and returns when they were begun.
func answers(r result, workers ...*worker) (begun *[]time.Duration) {
	begun = &[]time.Duration{}
	for _, w := range workers {
		w.onFetch = func(done func(result)) {
			*begun = append(*begun, w.clock.now)
			done(r)
		}
	}
	return begun
}

// checkBackoff checks that there were as many fetches, with waits that double and are up to a fifth longer.
func checkBackoff(t *testing.T, begun []time.Duration, want int) {
	t.Helper()
	if len(begun) != want {
		t.Fatalf("got %d fetches, expected %d", len(begun), want)
	}
	const ticks = 300 * time.Millisecond
	for i := 1; i < len(begun); i++ {
		least := min(time.Second<<(i-1), MaxBackoff)
		if wait := begun[i] - begun[i-1]; wait < least || wait > least+least/5+ticks {
			t.Errorf("wait %d: got %s, expected %s or up to a fifth more", i, wait, least)
		}
	}
}

// Tried again by the backoff, until there is a token.
func TestWarmUpIsTriedAgain(t *testing.T) {
	for name, result := range map[string]result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(warming())
			begun := answers(result, w)
			tickAll(50*time.Second, w)
			checkBackoff(t, *begun, 6) // after 0, 1, 3, 7, 15 and 31 seconds
			begun = answers(good("t1", time.Hour), w)
			tickAll(2*time.Minute, w)
			checkBackoff(t, *begun, 1)
			w.serves(t, "t1")
		})
	}
}

// A token that may not be kept is nothing to go on fetching for.
func TestWarmUpWithATokenThatIsNotKept(t *testing.T) {
	w := newWorker(warming())
	tickAll(200*time.Millisecond, w)
	w.answer(t, good("t1", 0))
	tickAll(10*time.Second, w)
	if len(w.fetches) != 1 {
		t.Errorf("got %d fetches, expected 1", len(w.fetches))
	}
}

// Nor is one that the upstream has rejected: the next request fetches another.
func TestWarmUpIsOverAfterARejection(t *testing.T) {
	w := newWorker(warming())
	tickAll(200*time.Millisecond, w)
	w.answer(t, good("t1", time.Hour))
	w.Reject(w.Common(), w.serves(t, "t1").ID)
	tickAll(10*time.Second, w)
	if len(w.fetches) != 1 {
		t.Errorf("got %d fetches, expected 1", len(w.fetches))
	}
}

func TestRequestsWaitForTheWarmUp(t *testing.T) {
	w := newWorker(warming())
	tickAll(200*time.Millisecond, w)
	r, reply := w.ask()
	w.run()
	w.answer(t, good("t1", time.Minute))
	if !reply.Waiting || len(w.fetches) != 1 || r.told != 1 || r.token == nil {
		t.Errorf("got %s, %d fetches and %+v, expected the request to get the token of the one fetch", reply, len(w.fetches), r)
	}
}

func TestRequestIsFasterThanTheWarmUp(t *testing.T) {
	w := newWorker(warming())
	w.fetchOnce(t, good("t1", time.Minute))
	tickAll(5*time.Second, w)
	if len(w.fetches) != 1 {
		t.Errorf("got %d fetches, expected the request's", len(w.fetches))
	}
}
