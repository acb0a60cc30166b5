package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

func TestBackoffAfterFailures(t *testing.T) {
	for name, result := range map[string]result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, result)
			for failures := 1; failures < 10; failures++ {
				wait := min(time.Second<<(failures-1), MaxBackoff)
				w.clock.Pass(wait - 1)
				if _, reply := w.ask(); !tokentest.FailedAs(reply.Err, result.Err) {
					t.Fatalf("%d failures, before %s: got %s, expected to be denied at once", failures, wait, reply)
				}
				w.clock.Pass(wait/5 + 1)
				w.fetchOnce(t, result)
			}
			w.clock.Pass(24 * time.Hour)
			if r := w.fetchOnce(t, result); r.Err.RetryAfter > 2*time.Second {
				t.Errorf("a failure a day later: got a wait of %s, expected the first one's", r.Err.RetryAfter)
			}
			w.clock.Pass(2 * time.Second)
			w.fetchOnce(t, good("t1", time.Minute))
			w.serves(t, "t1")
		})
	}
}

// What requests are told says how long they would ask in vain: those that waited, and those that come during the wait.
func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		result      result
		least, most time.Duration
	}{
		"unavailable":              {unavailable(), time.Second, 1200 * time.Millisecond},
		"refused":                  {refusal(), time.Second, 1200 * time.Millisecond},
		"longer than the backoff":  {tokentest.UnavailableFor(20 * time.Second), 20 * time.Second, 20 * time.Second},
		"shorter than the backoff": {tokentest.UnavailableFor(1), time.Second, 1200 * time.Millisecond},
		"too long":                 {tokentest.UnavailableFor(24 * time.Hour), token.MaxRetryAfter, token.MaxRetryAfter},
	}
	for name, test := range tests {
		w := newWorker(defaults())
		waited := w.fetchOnce(t, test.result)
		w.clock.Pass(500 * time.Millisecond)
		_, later := w.ask()
		if later.Err == nil {
			t.Fatalf("%s, half a second later: got %s, expected to be denied", name, later)
		}
		for who, wait := range map[string]time.Duration{"a waiting request": waited.Err.RetryAfter, "a later request": later.Err.RetryAfter + 500*time.Millisecond} {
			if wait < test.least || wait > test.most || !tokentest.FailedAs(later.Err, test.result.Err) || !later.Err.IsBackoff {
				t.Errorf("%s, %s: got %v for %s, expected %v for %s to %s", name, who, later, wait, test.result.Err, test.least, test.most)
			}
		}
		w.clock.Pass(test.least - 500*time.Millisecond - 1)
		if _, reply := w.ask(); reply.Err == nil {
			t.Errorf("%s, before its time: got %s, expected to be denied", name, reply)
		}
		w.clock.Pass(test.most - test.least + 1)
		if _, reply := w.ask(); !reply.Waiting {
			t.Errorf("%s, after its time: got %s, expected to wait", name, reply)
		}
	}
}

// The one who waits longest decides, also when that is learnt from a call that was begun before.
func TestHeldBackByTheLatestFailure(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	first, _ := w.askFor(named("a"))
	w.askFor(named("b"))
	w.run()
	w.clock.Pass(time.Millisecond)
	w.Fetches[1].Done(unavailable())
	w.Fetches[0].Done(tokentest.UnavailableFor(time.Minute))
	w.run()
	_, later := w.askFor(named("c"))
	for who, err := range map[string]*token.Error{"a waiting request": first.Err, "a later request": later.Err} {
		if err.RetryAfter != time.Minute {
			t.Errorf("%s: got %s, expected a minute", who, err.RetryAfter)
		}
	}
}

// When the wait is over, one call finds out whether the token service is back; not one for each caller.
func TestFewCallersTryWhenTheWaitIsOver(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("first"), unavailable())
	w.clock.Pass(2 * time.Second)
	before := len(w.Fetches)
	for i := range 500 {
		w.askFor(callerOf(i, 10))
	}
	w.run()
	if n := len(w.Fetches) - before; n > 50 {
		t.Errorf("calls to a token service that was down a moment ago: got %d, expected few", n)
	}
}
