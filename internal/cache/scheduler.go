package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// BatchSize is how many fetches are begun, and how many waiters told, in one batch.
//
// A host does what a callback asks for after the callback has returned, and enters the VM again for
// each request that ends by it, one level deeper each time: at some 290 requests answered
// in one callback, the stack is gone and the VM with it. This leaves room for filter chains that use more of
// the stack than the tests' do.
const BatchSize = 32

// beginTime is for how long fetches are begun in one batch. One that has to be signed takes milliseconds, and the worker
// serves no other request meanwhile.
const beginTime = 5 * time.Millisecond

// Scheduler paces what the caches of one root context do: fetches to begin, and requests to tell the result of
// theirs. What a request can't do itself is done in batches, each in a callback of its own, in the order in which it
// came up.
type Scheduler struct {
	wake    func() // has RunBatch called soon
	fetches []wantedFetch
	results []delivery

	// budget is how long requests may begin fetches themselves: half of the time that passes, and beginTime at once.
	budget     time.Duration
	budgetedAt time.Duration
}

type wantedFetch struct {
	cache *Cache
	entry *Entry
}

// delivery is a result on its way to the requests that waited for it.
type delivery struct {
	clock   token.Clock
	waiters *list.List
	token   *stored
	err     *token.Error // when there is no token
}

// NewScheduler returns one with nothing to do. It calls wake when there is work; more often than needed does no harm.
func NewScheduler(wake func()) *Scheduler { return &Scheduler{wake: wake} }

// RunBatch does a part of the work, and reports whether there is more: then the caller calls it again soon, in
// another callback.
func (s *Scheduler) RunBatch() (more bool) {
	s.beginFetches()
	s.tellWaiters()
	return len(s.fetches)+len(s.results) > 0
}

func (s *Scheduler) beginFetches() {
	var began time.Duration
	for i := range min(len(s.fetches), BatchSize) {
		next := s.fetches[0]
		switch now := next.cache.Clock.Monotonic(); {
		case i == 0:
			began = now
		case now >= began+beginTime:
			return
		}
		s.fetches[0] = wantedFetch{} // the array must not keep what is done
		s.fetches = s.fetches[1:]
		if d, hasEnded := next.cache.begin(next.entry); hasEnded {
			next.cache.deliver(d)
		}
	}
}

// mayBeginNow reports whether a request may begin its fetch itself: those before it come first, and callers whose fetches
// take long to begin must not hold up the worker.
func (s *Scheduler) mayBeginNow(now time.Duration) bool {
	s.budget = min(s.budget+(now-s.budgetedAt)/2, beginTime)
	s.budgetedAt = now
	return len(s.fetches) == 0 && s.budget > 0
}

// tellWaiters is over as soon as beginFetches: whoever waited for a token that its own call refers to makes that call.
func (s *Scheduler) tellWaiters() {
	var began time.Duration
	for told := 0; told < BatchSize && len(s.results) > 0; {
		next := s.results[0]
		switch now := next.clock.Monotonic(); {
		case told == 0:
			began = now
		case now >= began+beginTime:
			return
		}
		first := next.waiters.Front()
		if first == nil {
			s.results[0] = delivery{}
			s.results = s.results[1:]
			continue
		}
		waiter := next.waiters.Remove(first).(Waiter)
		told++
		if len(s.results) > 1 { // those of the others do not wait for all of these
			s.results = append(s.results[1:], next)
		}
		if next.token != nil {
			waiter.Proceed(&next.token.Token)
		} else {
			waiter.Fail(next.err)
		}
	}
}

func (s *Scheduler) fetch(c *Cache, e *Entry) {
	s.fetches = append(s.fetches, wantedFetch{c, e})
	s.wake()
}

func (s *Scheduler) deliver(d delivery) {
	if d.waiters == nil || d.waiters.Len() == 0 {
		return
	}
	s.results = append(s.results, d)
	s.wake()
}
