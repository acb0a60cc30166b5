package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
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
			if len(w.Fetches) != test.fetches {
				t.Fatalf("fetches: got %d, expected %d", len(w.Fetches), test.fetches)
			}
			leave(test.beforeResult)
			if test.fetches > 0 {
				w.Fetches[0].Done(good("t1", time.Minute))
			}
			leave(test.beforeTold)
			w.run()
			for i, r := range requests {
				if want := !left[i]; (r.Told == 1) != want || r.Told > 1 {
					t.Errorf("request %d: told %d times, expected %v", i, r.Told, want)
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

// Whoever leaves makes room for another.
func TestMaxWaiting(t *testing.T) {
	p := defaults()
	p.MaxWaiting = 2
	w := newWorker(p)
	_, first := w.ask()
	w.ask()
	if _, third := w.ask(); !tokentest.FailedAs(third.Err, errTooManyWaiting) {
		t.Errorf("the third: got %s, expected %v", third, errTooManyWaiting)
	}
	first.Ticket.Cancel()
	if _, fourth := w.ask(); !fourth.Waiting {
		t.Errorf("after one has left: got %s, expected to wait", fourth)
	}
}

// The request that starts a fetch does not wait, or count as waiting, if the result is there at once. A panic leaves no
// request waiting.
func TestFetchThatEndsAtOnce(t *testing.T) {
	panics := func(func(result)) { panic("in the fetcher") }
	for name, test := range map[string]struct {
		onFetch func(func(result))
		token   string
		err     *token.Error
	}{
		"a token to keep":  {tokentest.AtOnce(good("t1", time.Minute)), "t1", nil},
		"a token for once": {tokentest.AtOnce(good("t1", 0)), "t1", nil},
		"a failure":        {tokentest.AtOnce(unavailable()), "", tokentest.ErrUnavailable},
		"a panic":          {panics, "", errPanic},
	} {
		for _, isPaced := range []bool{false, true} { // whether the request has to leave the fetch to a batch
			w := newWorker(defaults())
			w.OnFetch = test.onFetch
			if isPaced {
				w.pace()
			}
			r, reply := w.ask()
			w.run()
			got, err, times := reply.Token, reply.Err, 0
			if isPaced {
				got, err, times = r.Token, r.Err, 1
			}
			if !tokentest.FailedAs(err, test.err) || (got != nil) != (test.token != "") || got != nil && got.Values[0] != test.token || r.Told != times {
				t.Errorf("%s, paced %v: got %v and %v, told %d times; expected %q, %v and %d", name, isPaced, got, err, r.Told, test.token, test.err, times)
			}
			if hasPanicked := len(w.panics) == 1; w.fetching != 0 || w.woken != 0 || hasPanicked != (test.err == errPanic) {
				t.Errorf("%s: got %d fetches, %d wakes and the panics %v, expected nothing left", name, w.fetching, w.woken, w.panics)
			}
		}
	}
}
