package cache

import (
	"errors"
	"testing"
	"time"
)

func TestBackoffAfterFailures(t *testing.T) {
	for name, result := range map[string]Result{"unavailable": unavailable(), "refused": refusal()} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, result)
			for failures := 1; failures < 10; failures++ {
				wait := min(time.Second<<(failures-1), MaxBackoff)
				w.clock.pass(wait - 1)
				if _, reply := w.ask(); !errors.Is(reply.Err, result.Failure.Err) {
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
		"at most":                  {24 * time.Hour, MaxRetryAfter},
		"shorter than the backoff": {0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, Result{Failure: &Failure{Err: errUnavailable, Unavailable: true, RetryAfter: test.asked}})
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

// What requests are told says until when they ask in vain: those that waited, and those that come during the wait.
func TestHeldBackUntil(t *testing.T) {
	retryAfter := func(d time.Duration) Result {
		return Result{Failure: &Failure{Err: errUnavailable, Unavailable: true, RetryAfter: d}}
	}
	tests := map[string]struct {
		result      Result
		err         error
		least, most time.Duration
	}{
		"unavailable": {unavailable(), errUnavailable, time.Second, 1200 * time.Millisecond},
		"Retry-After": {retryAfter(20 * time.Second), errUnavailable, 20 * time.Second, 20 * time.Second},
		"refused":     {refusal(), errRefused, time.Second, 1200 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			waited := w.fetchOnce(t, test.result)
			failedAt := w.clock.now
			w.clock.pass(500 * time.Millisecond)
			_, later := w.ask()
			for who, err := range map[string]error{"who waited": waited.err, "who came later": later.Err} {
				until, ok := HeldBackUntil(err)
				if wait := until - failedAt; !ok || wait < test.least || wait > test.most || !errors.Is(err, test.err) {
					t.Errorf("%s: got %v for %s (%v), expected %v for %s to %s", who, err, wait, ok, test.err, test.least, test.most)
				}
			}
		})
	}
	for name, err := range map[string]error{"no error": nil, "too many": ErrTooManyWaiting} {
		if until, ok := HeldBackUntil(err); ok || until != 0 {
			t.Errorf("%s: got %s, expected nothing known", name, until)
		}
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
	w.fetches[0].done(Result{Failure: &Failure{Err: errUnavailable, Unavailable: true, RetryAfter: time.Minute}})
	w.run()
	_, later := w.askFor(named("c"))
	for who, err := range map[string]error{"who waited": first.err, "who came later": later.Err} {
		if until, _ := HeldBackUntil(err); until != w.clock.now+time.Minute {
			t.Errorf("%s: got %s, expected a minute", who, until-w.clock.now)
		}
	}
}
