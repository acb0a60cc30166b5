package cache

import (
	"container/list"
	"time"
)

// fetchState is where a fetch stands.
type fetchState int

const (
	idle      fetchState = iota // nobody needs one
	wanted                      // the root context begins it at its next turn
	elsewhere                   // another worker has begun one; its result ends this one, or its deadline
	underWay                    // sent; the result ends it, or its deadline
)

// fetch is one token call that any number of requests wait for. There are never two at once
// for one entry. It belongs to none of the requests: the root context makes it, so a client that
// goes away, also the one that started it, takes nothing with it.
//
//	          want           begin               end: result
//	idle ───────────▶ wanted ─────────▶ underWay ─── or deadline ──▶ idle
//	              leave │ ▲ deadline                                     ▲
//	                    ▼ │            callOff: another worker's result, │
//	                 elsewhere ────────── or nobody waits any more ──────┘
//
// Requests join and leave in all states but idle, and callOff is also for wanted. The zero value is idle.
type fetch struct {
	state    fetchState
	renewal  bool          // made for the cache, so that nobody has to wait for it
	number   int           // of the latest fetch; a result that comes after its deadline has an older one
	sentAt   time.Duration // monotonic; or when it was left to another worker
	deadline time.Duration
	// leasedUntil is when other workers may fetch as well; 0: this one has no lease.
	leasedUntil time.Duration
	waiters     *list.List // of Waiter, in the order of their arrival; nil: none
}

// Place is a waiter's place in a queue; with it the waiter can leave.
type Place struct {
	queue   *list.List
	element *list.Element
}

// Leave takes a waiter out that need not be told any more. The zero Place is of nobody; a
// waiter who has been told is not there any more either.
func (p Place) Leave() {
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

// join lets a request wait for the fetch that is wanted or under way.
func (f *fetch) join(w Waiter) Place {
	if f.waiters == nil {
		f.waiters = list.New()
	}
	return Place{f.waiters, f.waiters.PushBack(w)}
}

// isNeeded reports whether a wanted fetch is for anybody.
func (f *fetch) isNeeded() bool { return f.renewal || f.waiting() > 0 }

// leave leaves a wanted fetch to another worker.
func (f *fetch) leave(now, deadline time.Duration) {
	f.state = elsewhere
	f.number++
	f.sentAt, f.deadline = now, deadline
}

// giveBack returns the lease, and forgets it.
func (f *fetch) giveBack() (leasedUntil time.Duration) {
	leasedUntil, f.leasedUntil = f.leasedUntil, 0
	return leasedUntil
}

// callOff returns the requests that wait for a fetch that is wanted and will not be made here.
func (f *fetch) callOff() (waiters *list.List, ok bool) {
	if f.state != wanted && f.state != elsewhere {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.renewal, f.waiters = idle, false, nil
	return waiters, true
}

// begin returns the number with which the fetch must be ended. ok is false when none is
// wanted.
func (f *fetch) begin(now, deadline time.Duration) (number int, ok bool) {
	if f.state != wanted {
		return 0, false
	}
	f.state = underWay
	f.number++
	f.sentAt, f.deadline = now, deadline
	return f.number, true
}

// overdue reports whether the deadline has passed without a result.
func (f *fetch) overdue(now time.Duration) bool { return f.state == underWay && now >= f.deadline }

// end returns the requests that are to be told, and leaves none. ok is false for a fetch that has
// ended before.
func (f *fetch) end(number int) (waiters *list.List, ok bool) {
	if f.state != underWay || number != f.number {
		return nil, false
	}
	waiters = f.waiters
	f.state, f.renewal, f.waiters = idle, false, nil
	return waiters, true
}
