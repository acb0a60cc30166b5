package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// fetchState is where a fetch stands.
type fetchState int

const (
	idle     fetchState = iota // no request needs one
	wanted                     // the next batch begins it
	underWay                   // begun; the result ends it
)

// fetch is one token call that any number of requests wait for. There are never two at once
// for one entry. It belongs to none of the requests, so a client that
// goes away, also the one that started it, takes nothing with it.
//
//	         want            begin             end: result
//	idle ───────────▶ wanted ─────────▶ underWay ─────────▶ idle
//	                    │                                    ▲
//	                    └── cancel: nobody waits any more ──┘
//
// Requests join and leave in all states but idle. The zero value is idle.
type fetch struct {
	state     fetchState
	renewal   bool          // made for the cache, so that nobody has to wait for it
	isRefresh bool          // of a token that is still valid
	number    int           // of the latest fetch; a second result of an earlier one changes nothing
	sentAt    time.Duration // monotonic
	waiters   *list.List    // of Waiter, in the order of their arrival; nil: none
}

// Ticket is a waiter's ticket in a queue; with it the waiter can leave.
type Ticket struct {
	queue   *list.List
	element *list.Element
}

// Cancel takes a waiter out that need not be told any more. The zero Ticket is of nobody; a
// waiter who has been told is not there any more either.
func (p Ticket) Cancel() {
	if p.queue != nil {
		p.queue.Remove(p.element)
	}
}

// want asks for a fetch and reports whether that is new: then somebody must begin it.
func (f *fetch) want() bool {
	if f.state != idle {
		return false
	}
	f.state = wanted
	return true
}

// waiting counts the requests that wait.
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

// join lets a request wait for the fetch that is wanted or under way.
func (f *fetch) join(w Waiter) Ticket {
	if f.waiters == nil {
		f.waiters = list.New()
	}
	return Ticket{f.waiters, f.waiters.PushBack(w)}
}

// isNeeded reports whether a wanted fetch is for anybody.
func (f *fetch) isNeeded() bool { return f.renewal || f.waiting() > 0 }

// cancel returns the requests that wait for a fetch that is wanted and will not be made here.
func (f *fetch) cancel() (waiters *list.List, ok bool) {
	if f.state != wanted {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.renewal, f.isRefresh, f.waiters = idle, false, false, nil
	return waiters, true
}

// begin returns the number with which the fetch that is wanted must be ended.
func (f *fetch) begin(now time.Duration) (number int) {
	f.state = underWay
	f.number++
	f.sentAt = now
	return f.number
}

// end returns the requests that are to be told, and leaves none. ok is false for a fetch that has
// ended before.
func (f *fetch) end(number int) (waiters *list.List, ok bool) {
	if f.state != underWay || number != f.number {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.renewal, f.isRefresh, f.waiters = idle, false, false, nil
	return waiters, true
}
