package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// BatchSize is how many fetches are begun, and how many waiters notified, in one batch.
//
// Envoy runs what a callback asked for after the callback returns, and reenters the VM for each request that ends this
// way, one level deeper each time. After about 290 replies in one callback the stack overflows, which ends the VM. The
// margin is for filter chains that use more stack than those in the tests.
const BatchSize = 32

// batchBudget limits how long a batch keeps beginning fetches. Signing one takes milliseconds, during which the worker
// serves nothing else.
const batchBudget = 5 * time.Millisecond

// Scheduler paces the caches of one root context: which fetches begin, and which requests are notified. What a request
// can't do itself is done in order of arrival, in batches, each in a separate callback.
type Scheduler struct {
	wake    func() // requests a RunBatch soon
	fetches []queuedFetch
	results []delivery

	// budget is how long requests may spend on beginning their fetches themselves: half the time that passes, up to
	// batchBudget.
	budget     time.Duration
	budgetedAt time.Duration
}

type queuedFetch struct {
	cache *Cache
	entry *Entry
}

// delivery is a result on its way to the requests that waited for it.
type delivery struct {
	clock   token.Clock
	waiters *list.List
	token   *stored
	err     *token.Error // if there is no token
}

// NewScheduler returns an idle Scheduler. It calls wake when there is work; extra calls of wake are harmless.
func NewScheduler(wake func()) *Scheduler { return &Scheduler{wake: wake} }

// RunBatch does some of the work, and reports whether there is more: then the caller must call it again soon, in
// another callback.
func (s *Scheduler) RunBatch() (more bool) {
	s.beginFetches()
	s.notifyWaiters()
	return len(s.fetches)+len(s.results) > 0
}

func (s *Scheduler) beginFetches() {
	var began time.Duration
	for i := range min(len(s.fetches), BatchSize) {
		next := s.fetches[0]
		switch now := next.cache.Clock.Monotonic(); {
		case i == 0:
			began = now
		case now >= began+batchBudget:
			return
		}
		s.fetches[0] = queuedFetch{} // let go of what is done
		s.fetches = s.fetches[1:]
		if d, hasEnded := next.cache.begin(next.entry); hasEnded {
			next.cache.deliver(d)
		}
	}
}

// mayBeginNow reports whether a request may begin its fetch itself: not before those in the queue, and not while
// requests spend too much of the worker's time on it.
func (s *Scheduler) mayBeginNow(now time.Duration) bool {
	s.budget = min(s.budget+(now-s.budgetedAt)/2, batchBudget)
	s.budgetedAt = now
	return len(s.fetches) == 0 && s.budget > 0
}

// notifyWaiters has the same time limit as beginFetches: a request that waited for a named token then makes its own
// call.
func (s *Scheduler) notifyWaiters() {
	var began time.Duration
	for notified := 0; notified < BatchSize && len(s.results) > 0; {
		next := s.results[0]
		switch now := next.clock.Monotonic(); {
		case notified == 0:
			began = now
		case now >= began+batchBudget:
			return
		}
		first := next.waiters.Front()
		if first == nil {
			s.results[0] = delivery{}
			s.results = s.results[1:]
			continue
		}
		waiter := next.waiters.Remove(first).(Waiter)
		notified++
		if len(s.results) > 1 { // round robin, so that no delivery waits for all of another
			s.results = append(s.results[1:], next)
		}
		if next.token != nil {
			waiter.Proceed(&next.token.Token)
		} else {
			waiter.Fail(next.err)
		}
	}
}

func (s *Scheduler) queueFetch(c *Cache, e *Entry) {
	s.fetches = append(s.fetches, queuedFetch{c, e})
	s.wake()
}

func (s *Scheduler) deliver(d delivery) {
	if d.waiters == nil || d.waiters.Len() == 0 {
		return
	}
	s.results = append(s.results, d)
	s.wake()
}
