package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestBackoffAfterFailures(t *testing.T) {
	for name, result := range map[string]result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, result)
			for failures := 1; failures < 10; failures++ {
				wait := min(time.Second<<(failures-1), MaxBackoff)
				w.clock.pass(wait - 1)
				if _, reply := w.ask(); !failedAs(reply.Err, result.err) {
					t.Fatalf("%d failures, before %s: got %s, expected to be denied at once", failures, wait, reply)
				}
				w.clock.pass(wait/5 + 1)
				w.fetchOnce(t, result)
			}
			w.clock.pass(MaxBackoff)
			w.fetchOnce(t, good("t1", time.Minute))
			w.serves(t, "t1")
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct{ asked, want time.Duration }{
		"longer than the backoff":  {20 * time.Second, 20 * time.Second},
		"at most":                  {24 * time.Hour, token.MaxRetryAfter},
		"shorter than the backoff": {0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, unavailableFor(test.asked))
			w.clock.pass(test.want - 1)
			if _, reply := w.ask(); reply.Err == nil {
				t.Errorf("before its time: got %s, expected to be denied", reply)
			}
			w.clock.pass(time.Second)
			if _, reply := w.ask(); !reply.Waiting {
				t.Errorf("after its time: got %s, expected to wait", reply)
			}
		})
	}
}

// What requests are told says how long they would ask in vain: those that waited, and those that come during the wait.
func TestRetryAfterOfReplies(t *testing.T) {
	tests := map[string]struct {
		result      result
		err         *token.Error
		least, most time.Duration
	}{
		"unavailable": {unavailable(), errUnavailable, time.Second, 1200 * time.Millisecond},
		"Retry-After": {unavailableFor(20 * time.Second), errUnavailable, 20 * time.Second, 20 * time.Second},
		"refused":     {refusal(), errRefused, time.Second, 1200 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			waited := w.fetchOnce(t, test.result)
			failedAt := w.clock.now
			w.clock.pass(500 * time.Millisecond)
			_, later := w.ask()
			for who, err := range map[string]*token.Error{"who waited": waited.err, "who came later": later.Err} {
				wait := err.RetryAfter
				if who == "who came later" {
					wait += w.clock.now - failedAt
				}
				if wait < test.least || wait > test.most || !failedAs(err, test.err) {
					t.Errorf("%s: got %v for %s, expected %v for %s to %s", who, err, wait, test.err, test.least, test.most)
				}
			}
		})
	}
}

// The one who waits longest decides, also when that is learnt from a call that was begun before.
func TestHeldBackByTheLatestFailure(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	first, _ := w.askFor(named("a"))
	w.askFor(named("b"))
	w.run()
	w.clock.pass(time.Millisecond)
	w.fetches[1].done(unavailable())
	w.fetches[0].done(unavailableFor(time.Minute))
	w.run()
	_, later := w.askFor(named("c"))
	for who, err := range map[string]*token.Error{"who waited": first.err, "who came later": later.Err} {
		if err.RetryAfter != time.Minute {
			t.Errorf("%s: got %s, expected a minute", who, err.RetryAfter)
		}
	}
}

// When the wait is over, one call finds out whether the token service is back; not one for each caller.
func TestFewCallersTryWhenTheWaitIsOver(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("first"), unavailable())
	w.clock.pass(2 * time.Second)
	before := len(w.fetches)
	for i := range 500 {
		w.askFor(callerOf(i, 10))
	}
	w.run()
	if n := len(w.fetches) - before; n > 50 {
		t.Errorf("calls to a token service that was down a moment ago: got %d, expected few", n)
	}
}

// A failure a day after the last one is a first one.
func TestFailuresOfYesterdayDoNotCount(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	for i := range 6 {
		w.fetchFor(t, callerOf(i, 10), unavailable())
		w.clock.pass(40 * time.Second)
	}
	w.clock.pass(24 * time.Hour)
	w.fetchFor(t, named("later"), unavailable())
	if wait := w.outage.until - w.clock.now; wait > 2*time.Second {
		t.Errorf("wait after one failure: got %s, expected about a second", wait)
	}
}
