package cache

import (
	"testing"
	"time"
)

func TestWaitersThatLeave(t *testing.T) {
	tests := map[string]struct {
		beforeStart, beforeResult, beforeTold []int
		fetches                               int
		isPaced                               bool // requests may not begin the fetch themselves
	}{
		"the first, before the fetch begins": {isPaced: true, beforeStart: []int{0}, fetches: 1},
		"the first, while it is under way":   {beforeResult: []int{0}, fetches: 1},
		"the first, before it is told":       {beforeTold: []int{0}, fetches: 1},
		"all, before the fetch begins":       {isPaced: true, beforeStart: []int{0, 1, 2}, fetches: 0},
		"all, while it is under way":         {beforeResult: []int{0, 1, 2}, fetches: 1},
		"one by one":                         {isPaced: true, beforeStart: []int{1}, beforeResult: []int{2}, beforeTold: []int{0}, fetches: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			if test.isPaced {
				w.pace()
			}
			var requests []*request
			var tickets []Ticket
			left := map[int]bool{}
			leave := func(numbers []int) {
				for _, i := range numbers {
					tickets[i].Cancel()
					left[i] = true
				}
			}
			for range 3 {
				r, reply := w.ask()
				requests, tickets = append(requests, r), append(tickets, reply.Ticket)
			}
			leave(test.beforeStart)
			w.run()
			if len(w.fetches) != test.fetches {
				t.Fatalf("fetches: got %d, expected %d", len(w.fetches), test.fetches)
			}
			leave(test.beforeResult)
			if test.fetches > 0 {
				w.fetches[0].done(good("t1", time.Minute))
			}
			leave(test.beforeTold)
			w.run()
			for i, r := range requests {
				if want := !left[i]; (r.told == 1) != want || r.told > 1 {
					t.Errorf("request %d: told %d times, expected %v", i, r.told, want)
				}
			}
			for _, p := range tickets {
				p.Cancel() // of requests that were told or have left: nothing happens
			}
			if test.fetches > 0 {
				w.serves(t, "t1")
			}
		})
	}
}

func TestMaxWaiting(t *testing.T) {
	p := defaults()
	p.MaxWaiting = 2
	w := newWorker(p)
	_, first := w.ask()
	w.ask()
	if _, third := w.ask(); !failedAs(third.Err, errTooManyWaiting) {
		t.Errorf("the third: got %s, expected %v", third, errTooManyWaiting)
	}
	first.Ticket.Cancel()
	if _, fourth := w.ask(); !fourth.Waiting {
		t.Errorf("after one has left: got %s, expected to wait", fourth)
	}
}

func TestFetchThatFailsAtOnce(t *testing.T) {
	w := newWorker(defaults())
	w.onFetch = func(done func(result)) { done(unavailable()) }
	r, reply := w.ask()
	w.run()
	if !failedAs(reply.Err, errUnavailable) || r.told != 0 {
		t.Errorf("got %s, told %d times; expected the failure, and not to be told again", reply, r.told)
	}
	if w.fetching != 0 || w.woken != 0 {
		t.Errorf("after it: %d fetches, %d wakes; expected none", w.fetching, w.woken)
	}
}

// The request that has begun the fetch need not wait when the token is there at once, nor does it count as one that waits.
func TestFetchThatSucceedsAtOnce(t *testing.T) {
	for name, lifetime := range map[string]time.Duration{"a token to keep": time.Minute, "a token for once": 0} {
		w := newWorker(defaults())
		w.onFetch = func(done func(result)) { done(good("t1", lifetime)) }
		r, reply := w.ask()
		w.run()
		if reply.Token == nil || reply.Token.Values[0] != "t1" || r.told != 0 || w.fetching != 0 {
			t.Errorf("%s: got %s, told %d times, %d fetches; expected the token at once", name, reply, r.told, w.fetching)
		}
	}
}

func TestPanicInAFetchLeavesNobodyWaiting(t *testing.T) {
	w := newWorker(defaults())
	w.onFetch = func(func(result)) { panic("in the fetcher") }
	_, reply := w.ask()
	if !failedAs(reply.Err, errPanic) || len(w.panics) != 1 {
		t.Errorf("at once: got %s and %d panics, expected %v and 1", reply, len(w.panics), errPanic)
	}
	w = newWorker(defaults())
	w.pace()
	w.onFetch = func(func(result)) { panic("in the fetcher") }
	r, _ := w.ask()
	w.run()
	if r.told != 1 || !failedAs(r.err, errPanic) || len(w.panics) != 1 {
		t.Errorf("told %d times, %v, %d panics; expected once, %v and 1", r.told, r.err, len(w.panics), errPanic)
	}
}
