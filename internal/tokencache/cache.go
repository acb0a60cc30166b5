// Package tokencache keeps tokens: one fetch for all requests that need the same token,
// renewal before its end, a stand-in while the token service can't answer, and waits after failures.
// It knows neither HTTP nor the gateway: a Fetcher obtains tokens, a Waiter is a
// request, a Store is what the workers of a gateway share.
//
// All of a worker's callbacks run on one thread, so that nothing here is guarded.
package tokencache

import (
	"container/list"
	"time"
)

// Cache gives requests their tokens: one for all of them or one for each caller.
type Cache struct {
	Worker
	policy  *Policy
	fetcher Fetcher
	workers *sharing

	common   *Entry // of the token that is the same for all; nil where it depends on the caller
	entries  map[Key]*Entry
	found    map[string]*Entry // those that are kept, by the values of their callers
	lists    [holdings]entryList
	underWay []begunFetch // in the order of their deadlines
	fetching int          // fetches that are wanted or under way
	outage   backoff      // after fetches that found no service, whoever the caller
	noAnswer error        // of the latest of them
	warmUp   warmUp       // of the common entry

	isClosed    bool          // an answer that comes late changes nothing any more
	nextToSweep *list.Element // of the kept entries, see Tick
	ahead       time.Duration // of the wall clock before the monotonic one, at the latest Tick
}

// New returns a cache whose one token is the same for all requests. With a store that is not nil,
// the workers of the gateway share it under the key, and a record without policy.Values values is not ours.
func New(policy *Policy, fetcher Fetcher, worker Worker, store Store, key Key) *Cache {
	c := newCache(policy, fetcher, worker)
	c.common = c.newEntry(Key{}, nil)
	if store != nil {
		c.workers = &sharing{store: store, key: key, values: policy.Values}
	}
	return c
}

// NewPerCaller returns a cache with a token for each caller.
func NewPerCaller(policy *Policy, fetcher Fetcher, worker Worker) *Cache {
	c := newCache(policy, fetcher, worker)
	c.entries, c.found = map[Key]*Entry{}, map[string]*Entry{}
	c.Memory.add(c)
	return c
}

func newCache(policy *Policy, fetcher Fetcher, worker Worker) *Cache {
	return &Cache{
		Worker: worker, policy: policy, fetcher: fetcher,
		outage: backoff{first: policy.Backoff},
		ahead:  wallAhead(worker.Clock.Monotonic(), worker.Clock.Wall()),
	}
}

func (c *Cache) newEntry(key Key, caller Caller) *Entry {
	return &Entry{
		key: key, caller: caller,
		retry:      backoff{first: c.policy.Backoff},
		rejections: backoff{first: c.policy.Backoff},
	}
}

// Close gives back what the cache has taken of the worker's memory.
func (c *Cache) Close() {
	c.isClosed = true
	if c.entries != nil {
		c.Memory.remove(c)
	}
}

// Common is the entry of the token that is the same for all; nil where it depends on the caller.
func (c *Cache) Common() *Entry { return c.common }

// EndOfTokenInUse is when, by the wall clock, the token ends that is the same for all; the zero time when there is none, or
// when requests have ceased to use it, so that it is not renewed any more. Clocks that drift do not move it.
func (c *Cache) EndOfTokenInUse(now time.Duration) time.Time {
	e := c.common
	if e == nil || !e.token.validAt(now) || now >= e.token.refreshAt && !e.isUsed(now) {
		return time.Time{}
	}
	return time.Unix(0, int64(e.token.expiresAt+c.ahead))
}

// Find returns the entry of the caller with these values, or nil when none is kept. Those that were
// found last are dropped last. now may be a little behind.
func (c *Cache) Find(values []byte, now time.Duration) *Entry {
	e := c.found[string(values)] // and not by their hash, which costs more than this look-up
	if e == nil {
		return nil
	}
	if c.nextToSweep == e.element {
		c.nextToSweep = e.element.Prev()
	}
	c.lists[kept].MoveToFront(e.element)
	// Tick renews too, but comes to each of many callers only from time to time.
	if e.token != nil && now >= e.token.refreshAt && e.due(now) {
		c.renew(e, now)
	}
	return e
}

// Ask is for a request that found no Fresh token; caller is nil where tokens do not depend on it.
// It counts the hit or miss.
func (c *Cache) Ask(caller Caller, w Waiter) (*Entry, Reply) {
	now := c.Clock.Monotonic()
	e := c.entry(caller, now)
	if e == nil {
		c.Stats.Misses++
		return nil, Reply{Err: ErrTooManyCallers}
	}
	if t := e.valid(now); t != nil || c.adoptShared(e, now) {
		c.Stats.Hits++
		return e, Reply{Token: e.valid(now)}
	}
	c.Stats.Misses++
	reply := c.askForFetch(e, now, w)
	c.settle(e, now)
	return e, reply
}

func (c *Cache) askForFetch(e *Entry, now time.Duration, w Waiter) Reply {
	isUnderWay := e.fetch.state != idle
	mayFetch := isUnderWay || c.mayFetch(now) && e.retry.open(now)
	// After a failure nobody waits to see whether the next fetch fails as well.
	if t := e.stale(now); t != nil && c.outage.count > 0 {
		if mayFetch {
			c.want(e, true)
		}
		c.Stats.StaleServed++
		return Reply{Token: t}
	}
	switch {
	case !e.retry.open(now) && !isUnderWay:
		return Reply{Err: e.refusal}
	case !mayFetch:
		return Reply{Err: c.noAnswer}
	case e.fetch.waiting() >= c.policy.MaxWaiting:
		return Reply{Err: ErrTooManyWaiting}
	}
	if isUnderWay {
		c.Stats.Coalesced++
	}
	place := e.fetch.join(w)
	c.want(e, false)
	return Reply{Waiting: true, Place: place}
}

// entry finds or makes the caller's entry; nil when there is no room for another fetch.
func (c *Cache) entry(caller Caller, now time.Duration) *Entry {
	if c.common != nil {
		return c.common
	}
	e := c.entries[caller.Key()]
	if e == nil {
		e = c.newEntry(caller.Key(), caller)
	}
	if e.caller == nil {
		e.caller = caller // of one who was refused, only the key was kept
	}
	if e.holding == kept || e.holding == pending || !e.retry.open(now) {
		return e
	}
	if !c.Memory.hasRoom(pending, entrySize(e, pending)) {
		c.settle(e, now)
		return nil
	}
	return e
}

// Reject is for a token that the upstream has rejected.
func (c *Cache) Reject(e *Entry, t *Token) {
	if e.token.same(t) && c.heardOfRejection(e, t) {
		e.token = nil
		return
	}
	now := c.Clock.Monotonic()
	if !e.reject(now, t) {
		return
	}
	if c.withdraw(e, t) {
		c.Stats.Invalidated++
	}
	if e.holding != nowhere { // it may have been dropped while the request was with the upstream
		c.settle(e, now)
	}
}
