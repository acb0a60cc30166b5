package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// However many wait, each batch tells a few of them, in the order in which they came.
func TestWaitersAreToldInBatches(t *testing.T) {
	for name, result := range map[string]result{"served": good("t1", time.Minute), "denied": unavailable()} {
		t.Run(name, func(t *testing.T) {
			const count = 10_000
			w := newWorker(defaults())
			var requests []*request
			for range count {
				r, _ := w.ask()
				requests = append(requests, r)
			}
			if _, reply := w.ask(); !tokentest.FailedAs(reply.Err, errTooManyWaiting) {
				t.Errorf("the next one: got %s, expected %v", reply, errTooManyWaiting)
			}
			w.run()
			w.Fetches[0].Done(result)
			if w.woken != 1 {
				t.Errorf("after the result: got %d wakes, expected 1", w.woken)
			}
			for turn, more := 1, true; more; turn++ {
				more = w.Scheduler.RunBatch()
				for i, r := range requests {
					if want := i < turn*BatchSize; (r.Told == 1) != want {
						t.Fatalf("after batch %d: request %d told %d times, expected %v", turn, i, r.Told, want)
					}
				}
			}
		})
	}
}

// Fetches that take their time to begin are begun a few at a time, whatever their number.
func TestSlowFetchesAreBegunInBatches(t *testing.T) {
	tests := map[string]struct {
		each time.Duration
		want []int // fetches begun after each batch
	}{
		"fast":          {0, []int{32, 64, 70}},
		"a little slow": {2 * time.Millisecond, []int{3, 6, 9}},
		"very slow":     {time.Second, []int{1, 2, 3}},
	}
	for name, test := range tests {
		w := newPerCallerWorker(defaults(), &Memory{})
		w.pace()
		w.OnFetch = func(func(result)) { w.clock.Pass(test.each) }
		for i := range 70 {
			w.askFor(named(fmt.Sprint(i)))
		}
		for turn, want := range test.want {
			if more := w.Scheduler.RunBatch(); len(w.Fetches) != want || more != (want < 70) {
				t.Errorf("%s: after batch %d: %d fetches begun, more: %v; expected %d", name, turn+1, len(w.Fetches), more, want)
			}
		}
	}
}

// Requests begin their fetches themselves until that has taken its time: then the others get theirs in batches, and
// later requests again by themselves.
func TestRequestsBeginFetchesThemselves(t *testing.T) {
	tests := map[string]struct {
		each time.Duration
		want int // of 20 requests at once
	}{
		"fast":          {100 * time.Microsecond, 20},
		"a little slow": {2 * time.Millisecond, 5}, // as half of that time may be spent again
		"very slow":     {time.Second, 1},
	}
	for name, test := range tests {
		w := newPerCallerWorker(defaults(), &Memory{})
		w.OnFetch = func(func(result)) { w.clock.Pass(test.each) }
		ask := func(who string) {
			for i := range 20 {
				at := w.clock.Now
				w.askFor(named(fmt.Sprint(who, i)))
				if len(w.Scheduler.fetches) > 0 {
					w.clock.Now = at // those that are left to a batch take no time
				}
			}
		}
		ask("first ")
		if len(w.Fetches) != test.want {
			t.Errorf("%s: got %d fetches begun by requests, expected %d", name, len(w.Fetches), test.want)
		}
		w.run()
		w.clock.Pass(time.Minute)
		ask("second ")
		if got := len(w.Fetches) - 20; got != test.want {
			t.Errorf("%s, later: got %d fetches begun by requests, expected %d", name, got, test.want)
		}
	}
}

// Fetches that were wanted before the token service asked to be left alone are not begun after it.
func TestWantedFetchesWaitInAnOutage(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.pace()
	for i := range 500 {
		w.askFor(callerOf(i, 10))
	}
	w.Scheduler.RunBatch()
	if n := len(w.Fetches); n != BatchSize {
		t.Fatalf("got %d fetches in the first batch, expected %d", n, BatchSize)
	}
	w.Fetches[0].Done(tokentest.UnavailableFor(time.Minute))
	before := len(w.Fetches)
	w.clock.Pass(time.Second)
	w.run()
	if n := len(w.Fetches) - before; n > 0 {
		t.Errorf("calls begun within the minute of Retry-After: got %d, expected none", n)
	}
}

// slowWaiter is one whose own call takes long to begin.
type slowWaiter struct {
	clock *tokentest.Clock
	takes time.Duration
	name  string
	told  *[]string
}

func (s *slowWaiter) Proceed(*token.Token) { s.clock.Pass(s.takes); *s.told = append(*s.told, s.name) }
func (s *slowWaiter) Fail(*token.Error)    {}

// Who waits for a token that his own call refers to makes that call when he is told: others are served in between.
func TestSlowWaiters(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	var told []string
	for _, s := range []struct {
		of    string
		count int
		takes time.Duration
	}{{"slow", 3, time.Second}, {"quick", 2, 0}} {
		for range s.count {
			w.Ask(named(s.of), &slowWaiter{w.clock, s.takes, s.of, &told})
		}
	}
	w.run()
	for _, f := range w.Fetches {
		f.Done(good("t1", time.Minute))
	}
	for _, want := range []int{1, 3, 5} {
		w.Scheduler.RunBatch()
		if len(told) != want {
			t.Fatalf("got %v, expected no more than one slow one in a batch", told)
		}
	}
	if got := fmt.Sprint(told); got != "[slow quick slow quick slow]" {
		t.Errorf("got %s, expected those that wait for different tokens to take turns", got)
	}
}
