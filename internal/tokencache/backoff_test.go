package tokencache

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
