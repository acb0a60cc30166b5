package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// fetchState is where a fetch stands.
type fetchState int

const (
	idle     fetchState = iota // nothing to fetch
	queued                     // the next batch begins it
	inFlight                   // begun; the result ends it
)

// fetch is one call of the Source that any number of requests wait for. An entry has at most one at a time. It belongs
// to none of these requests: when one goes away, even the one that started it, the others are not affected.
//
//	       enqueue             begin              end
//	idle ───────────▶ queued ─────────▶ inFlight ─────────▶ idle
//	                    │                                    ▲
//	                    └───── cancel: no longer needed ─────┘
//
// Requests join and leave in all states except idle. The zero value is idle.
type fetch struct {
	state      fetchState
	background bool          // needed even if no request waits
	isRenewal  bool          // replaces a token that is still valid
	number     int           // of the latest fetch; late results of earlier ones are ignored
	sentAt     time.Duration // monotonic
	waiters    *list.List    // of Waiter, in order of arrival; nil: none
}

// Ticket lets a waiter leave the queue.
type Ticket struct {
	queue   *list.List
	element *list.Element
}

// Cancel removes the waiter from the queue. It does nothing for the zero Ticket, or once the waiter has been notified.
func (t Ticket) Cancel() {
	if t.queue != nil {
		t.queue.Remove(t.element)
	}
}

// enqueue requests a fetch. It returns false if one is already queued or in flight; otherwise the caller must see that
// it begins.
func (f *fetch) enqueue() bool {
	if f.state != idle {
		return false
	}
	f.state = queued
	return true
}

// waiting is the number of requests that wait.
func (f *fetch) waiting() int {
	if f.waiters == nil {
		return 0
	}
	return f.waiters.Len()
}

// cause is the first request that waits.
func (f *fetch) cause() token.Cause {
	if f.waiting() == 0 {
		return nil
	}
	cause, _ := f.waiters.Front().Value.(token.Cause)
	return cause
}

// join adds a request to a fetch that is queued or in flight.
func (f *fetch) join(w Waiter) Ticket {
	if f.waiters == nil {
		f.waiters = list.New()
	}
	return Ticket{f.waiters, f.waiters.PushBack(w)}
}

// isNeeded reports whether anything needs a queued fetch.
func (f *fetch) isNeeded() bool { return f.background || f.waiting() > 0 }

// cancel ends a queued fetch that will not be made, and returns the requests that wait for it.
func (f *fetch) cancel() (waiters *list.List, ok bool) {
	if f.state != queued {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.background, f.isRenewal, f.waiters = idle, false, false, nil
	return waiters, true
}

// begin starts a queued fetch, and returns the number to end it with.
func (f *fetch) begin(now time.Duration) (number int) {
	f.state = inFlight
	f.number++
	f.sentAt = now
	return f.number
}

// end ends a fetch, and returns the requests to notify. ok is false if it has ended already.
func (f *fetch) end(number int) (waiters *list.List, ok bool) {
	if f.state != inFlight || number != f.number {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.background, f.isRenewal, f.waiters = idle, false, false, nil
	return waiters, true
}
