package main

import (
	"container/list"
	"time"
)

// callState is where a shared call stands.
type callState int

const (
	idle    callState = iota // nobody needs a call
	wanted                   // asked for; the root context starts it as soon as it runs
	calling                  // sent; the answer ends it, or its deadline
)

// waiter is a request that waits for a token. It is told exactly one of the two,
// unless it leaves before.
type waiter interface {
	proceed(t *token)
	fail(f failure)
}

// place is a waiter's place in the queue of a call; with it the waiter can leave.
type place = *list.Element

// sharedCall is one token call that any number of requests wait for. There are
// never two at once. It belongs to none of the requests: the root context makes it, so
// a client that goes away, also the one that started it, takes nothing with it.
//
//	          want            started              ended: answer, failed
//	idle ───────────▶ wanted ─────────▶ calling ─── dispatch or deadline ──▶ idle
//
// Requests join and leave in wanted and calling. The zero value is idle.
type sharedCall struct {
	state    callState
	number   int           // of the latest call; an answer that comes after its deadline has an older one
	deadline time.Duration // of the call under way, monotonic
	waiting  list.List     // of waiter, in the order of their arrival
}

// want asks for a call and tells whether that is new: then somebody must start it.
func (c *sharedCall) want() bool {
	if c.state != idle {
		return false
	}
	c.state = wanted
	return true
}

// join lets a request wait for the call that is wanted or under way.
func (c *sharedCall) join(w waiter) place { return c.waiting.PushBack(w) }

// leave takes a request out whose client has gone. One that was told already is not there any more.
func (c *sharedCall) leave(p place) { c.waiting.Remove(p) }

// started returns the number with which the call must be ended. ok is false when
// no call is wanted.
func (c *sharedCall) started(deadline time.Duration) (number int, ok bool) {
	if c.state != wanted {
		return 0, false
	}
	c.state = calling
	c.number++
	c.deadline = deadline
	return c.number, true
}

// overdue tells whether the host has let the call's deadline pass without a word.
func (c *sharedCall) overdue(now time.Duration) bool {
	return c.state == calling && now >= c.deadline
}

// underWay tells whether the call of that number still waits for its end.
func (c *sharedCall) underWay(number int) bool {
	return c.state == calling && number == c.number
}

// ended returns the requests that are to be told and leaves none; it has none to
// tell about a call that has ended before.
func (c *sharedCall) ended(number int) (waiters []waiter) {
	if !c.underWay(number) {
		return nil
	}
	c.state = idle
	for first := c.waiting.Front(); first != nil; first = c.waiting.Front() {
		waiters = append(waiters, c.waiting.Remove(first).(waiter))
	}
	return waiters
}
