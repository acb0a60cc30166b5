// Package cache keeps tokens: one fetch for all requests that need the same token,
// renewal before its end, a stand-in while the token service can't answer, and waits after failures.
// It knows neither HTTP nor the gateway: a token.Source obtains tokens, a Waiter is a
// request, a Store is what the workers of a gateway share.
//
// All of a worker's callbacks run on one thread, so that nothing here is guarded.
package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// Cache gives requests their tokens: one for all of them or one for each caller.
type Cache struct {
	Worker
	policy  *Policy
	source  token.Source
	workers *sharing  // nil: each worker is by itself
	key     token.Key // of the configuration, for its records

	common   *Entry // of the token that is the same for all; nil where it depends on the caller
	entries  map[token.Key]*Entry
	found    map[string]*Entry // those that are kept, by the values of their callers
	lists    [holdings]entryList
	underWay []begunFetch  // in the order of their deadlines
	fetching int           // fetches that are wanted or under way
	outage   backoff       // after fetches that found no service, whoever the caller
	noAnswer *token.Error  // of the latest of them
	isWarm   bool          // the common entry has had a token, or needs none ahead
	warmUpAt time.Duration // not before; another worker fetches the first token
	// keepsNothing: the latest token had no lifetime, so that other workers could do nothing with it.
	keepsNothing bool

	isClosed    bool          // an answer that comes late changes nothing any more
	nextToSweep *list.Element // of the kept entries, see Tick
	ahead       time.Duration // of the wall clock before the monotonic one, at the latest Tick
}

// New returns a cache whose one token is the same for all requests. With a store that is not nil,
// the workers of the gateway share it: key stands for all that tokens depend on beside their callers.
func New(policy *Policy, source token.Source, worker Worker, store Store, key token.Key) *Cache {
	c := newCache(policy, source, worker, key)
	if store != nil {
		c.workers = shareCommon(store, policy)
	}
	c.common = c.newEntry(token.Key{}, nil)
	return c
}

// NewPerCaller returns a cache with a token for each caller; store and key are those of New.
func NewPerCaller(policy *Policy, source token.Source, worker Worker, store Store, key token.Key) *Cache {
	c := newCache(policy, source, worker, key)
	if store != nil {
		c.workers = shareCallers(store, policy)
	}
	c.entries, c.found = map[token.Key]*Entry{}, map[string]*Entry{}
	c.Memory.add(c)
	return c
}

func newCache(policy *Policy, source token.Source, worker Worker, key token.Key) *Cache {
	return &Cache{
		Worker: worker, policy: policy, source: source, key: key,
		outage: backoff{first: policy.Backoff},
		ahead:  wallAhead(worker.Clock.Monotonic(), worker.Clock.Wall()),
	}
}

func (c *Cache) newEntry(key token.Key, caller token.Caller) *Entry {
	e := &Entry{
		key: key, caller: caller,
		retry:      backoff{first: c.policy.Backoff},
		rejections: backoff{first: c.policy.Backoff},
	}
	if c.workers != nil {
		e.record = recordKeyOf(c.key, key)
	}
	return e
}

// Close gives back what the cache has taken of the worker's memory, and lets other workers make the fetches
// that were wanted or under way: the host will tell nobody of their results.
func (c *Cache) Close() {
	c.isClosed = true
	now := c.Clock.Monotonic()
	for _, begun := range c.underWay {
		c.releaseLease(begun.entry, now)
	}
	for _, wanted := range c.Scheduler.fetches {
		if wanted.cache == c {
			c.releaseLease(wanted.entry, now)
		}
	}
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
func (c *Cache) Ask(caller token.Caller, w Waiter) (*Entry, Reply) {
	now := c.Clock.Monotonic()
	e := c.entry(caller)
	if e.token.validAt(now) || c.mayLook(e, now) && c.look(e, now) && e.token.validAt(now) {
		c.Stats.Hits++
		c.settle(e, now)
		return e, Reply{Token: e.valid(now).use()}
	}
	c.Stats.Misses++
	if !c.hasRoom(e, now) {
		c.settle(e, now)
		return nil, Reply{Err: errTooManyCallers}
	}
	reply := c.askForFetch(e, now, w)
	c.settle(e, now)
	return e, reply
}

func (c *Cache) askForFetch(e *Entry, now time.Duration, w Waiter) Reply {
	isUnderWay := e.fetch.state != idle
	mayFetch := isUnderWay || c.mayFetch(now) && e.retry.open(now)
	// After a failure nobody waits to see whether the next fetch fails as well.
	isFailing := c.outage.count > 0 || !e.retry.open(now) || e.fetch.waiting() >= c.policy.MaxWaiting
	if t := e.stale(now); t != nil && isFailing {
		if mayFetch {
			c.renewLater(e)
		}
		c.Stats.StaleServed++
		return Reply{Token: &t.Token}
	}
	switch {
	case !e.retry.open(now) && !isUnderWay:
		return Reply{Err: e.retry.wrap(e.refusal, now)}
	case !mayFetch:
		return Reply{Err: c.outage.wrap(c.noAnswer, now)}
	case e.fetch.waiting() >= c.policy.MaxWaiting:
		return Reply{Err: errTooManyWaiting}
	}
	place := e.fetch.join(w)
	if isUnderWay {
		c.Stats.Coalesced++
		return Reply{Waiting: true, Place: place}
	}
	d, hasEnded := c.fetchFor(e, now, place)
	switch {
	case !hasEnded:
		return Reply{Waiting: true, Place: place}
	case d.token != nil:
		return Reply{Token: &d.token.Token}
	default:
		return Reply{Err: d.err}
	}
}

// entry finds or makes the caller's entry.
func (c *Cache) entry(caller token.Caller) *Entry {
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
	return e
}

// hasRoom reports whether there is room for a fetch of the entry, should it need one.
func (c *Cache) hasRoom(e *Entry, now time.Duration) bool {
	return e == c.common || e.holding == kept || e.holding == pending || !e.retry.open(now) ||
		c.Memory.hasRoom(pending, entrySize(e, pending))
}

// Reject is for a token that the upstream has rejected.
func (c *Cache) Reject(e *Entry, id token.ID) {
	if !e.isRejectable(id) {
		return
	}
	now := c.Clock.Monotonic()
	if c.heardOfRejection(e, id, now) {
		e.token = e.token.asRejected()
		c.tellSource(e, id) // who withdrew it may not have done so yet
		return
	}
	if !e.reject(now) {
		return
	}
	if c.withdraw(e, id, now) {
		c.Stats.Invalidated++
		c.tellSource(e, id)
	}
	if e.holding != nowhere { // it may have been dropped while the request was with the upstream
		c.settle(e, now)
	}
}

// tellSource has a Source that shares tokens with other gateways bring this one no more.
func (c *Cache) tellSource(e *Entry, id token.ID) {
	if r, ok := c.source.(Rejecter); ok {
		r.Rejected(e.caller, id)
	}
}
