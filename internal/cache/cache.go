// Package cache keeps the tokens of one worker: one fetch for all requests that need the same token, renewal before its end,
// a stand-in while the token service can't answer, and waits after failures. It knows neither HTTP nor the gateway, and
// nothing of other workers: a token.Source obtains tokens, a Waiter is a request.
//
//	request ──▶ Find, Fresh ──▶ a token: nothing else happens
//	   │
//	   └──────▶ Ask ──▶ a token, an error, or: wait ◀── told by the Scheduler, in batches
//	                      │                                  ▲
//	                      ▼                                  │
//	Tick ──▶ renew ──▶ Source.Fetch ──▶ done, at once or later
//
// The root context calls Tick some ten times a second, and Scheduler.RunBatch in a callback of its own while there is work.
// All of a worker's callbacks run on one thread, so that nothing here is guarded.
//
// What must stay true, and the tests that say so:
//
//   - A request is told exactly once, whatever happens to its fetch and to others: TestWaitersThatLeave, and in
//     internal/share TestAllOrdersOfEvents and TestFourWorkersAtRandom.
//   - No more than BatchSize are told in one callback: TestWaitersAreToldInBatches.
//   - Fetches that take long to begin don't hold up the worker: TestRequestsBeginFetchesThemselves.
//   - Callers whose tokens are refused push no good token out, and all of them together fit into limits: lru_test.go.
//   - A token that the upstream rejected serves only where no new one is to be had: TestRejectedTokenServesWithoutNewOne.
//   - What a renewal brings late, or again, ends nobody's token: TestRenewalElsewhere.
package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// Cache gives requests their tokens: one for all of them or one for each caller.
type Cache struct {
	Deps
	policy *Policy
	source token.Source

	common   *Entry // of the token that is the same for all; nil where it depends on the caller
	entries  map[token.Key]*Entry
	found    map[string]*Entry // those that are kept, by the values of their callers
	lists    [segments]entryList
	fetching int          // fetches that are wanted or under way
	outage   backoff      // after fetches that found no service, whoever the caller
	noAnswer *token.Error // of the latest of them
	isWarm   bool         // the common entry has had a token, or needs none ahead

	isClosed    bool          // an answer that comes late changes nothing any more
	nextToSweep *list.Element // of the kept entries, see Tick
	ahead       time.Duration // of the wall clock before the monotonic one, at the latest Tick
}

// New returns a cache whose one token is the same for all requests.
func New(policy *Policy, source token.Source, worker Deps) *Cache {
	c := newCache(policy, source, worker)
	c.common = c.newEntry(token.Key{}, nil)
	return c
}

// NewPerCaller returns a cache with a token for each caller.
func NewPerCaller(policy *Policy, source token.Source, worker Deps) *Cache {
	c := newCache(policy, source, worker)
	c.entries, c.found = map[token.Key]*Entry{}, map[string]*Entry{}
	c.Memory.add(c)
	return c
}

func newCache(policy *Policy, source token.Source, worker Deps) *Cache {
	return &Cache{
		Deps: worker, policy: policy, source: source,
		outage: backoff{first: policy.Backoff},
		ahead:  wallAhead(worker.Clock.Monotonic(), worker.Clock.Wall()),
	}
}

func (c *Cache) newEntry(key token.Key, caller token.Caller) *Entry {
	return &Entry{
		key: key, caller: caller,
		retry:      backoff{first: c.policy.Backoff},
		rejections: backoff{first: c.policy.Backoff},
	}
}

// Close gives back what the cache has taken of the worker's memory. The host will tell nobody of the results of fetches.
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
func (c *Cache) Ask(caller token.Caller, w Waiter) (*Entry, Reply) {
	now := c.Clock.Monotonic()
	e := c.entry(caller)
	if e.token.validAt(now) || c.takeKept(e, now) && e.token.validAt(now) {
		c.Stats.Hits++
		c.classify(e, now)
		return e, Reply{Token: e.valid(now).use()}
	}
	if !c.hasQuota(e, now) {
		c.Stats.Misses++
		c.classify(e, now)
		return nil, Reply{Err: errTooManyCallers}
	}
	reply := c.askForFetch(e, now, w)
	if reply.Token != nil && reply.Token.IsShared && e.token.validAt(now) {
		c.Stats.Hits++ // another worker has it
	} else {
		c.Stats.Misses++
	}
	c.classify(e, now)
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
	ticket := e.fetch.join(w)
	if isUnderWay {
		c.Stats.Coalesced++
		return Reply{Waiting: true, Ticket: ticket}
	}
	d, hasEnded := c.fetchFor(e, now, ticket)
	switch {
	case !hasEnded:
		return Reply{Waiting: true, Ticket: ticket}
	case d.token != nil:
		return Reply{Token: &d.token.Token, IsNew: !d.token.IsShared}
	default:
		return Reply{Err: d.err}
	}
}

// lookPause is the time between two looks for a token that the source keeps while none may be fetched.
const lookPause = 50 * time.Millisecond

// takeKept takes a token that the source keeps, where none may be fetched now: another worker may have been luckier. It
// reports whether that is news.
func (c *Cache) takeKept(e *Entry, now time.Duration) bool {
	peeker, ok := c.source.(Peeker)
	if !ok || e.fetch.state != idle || c.outage.open(now) && e.retry.open(now) || now < e.lookedAt+lookPause {
		return false
	}
	e.lookedAt = now
	t, isRejected, ok := peeker.Peek(e.caller)
	if !ok {
		return false
	}
	kept := c.policy.newToken(t, now)
	if isRejected {
		kept = kept.asRejected()
	}
	if !e.adopt(now, kept) {
		return false
	}
	c.outage.succeeded(kept.issuedAt)
	return true
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

// hasQuota reports whether there is room for a fetch of the entry, should it need one.
func (c *Cache) hasQuota(e *Entry, now time.Duration) bool {
	return e == c.common || e.segment == kept || e.segment == pending || !e.retry.open(now) ||
		c.Memory.hasQuota(pending, entrySize(e, pending))
}

// Reject is for a token that the upstream has rejected: requests get a new one, which the source is told of.
func (c *Cache) Reject(e *Entry, id token.ID) {
	now := c.Clock.Monotonic()
	if !e.isRejectable(id) || !e.reject(now) {
		return
	}
	e.isUncounted = true
	if e.segment != none { // it may have been dropped while the request was with the upstream
		c.classify(e, now)
	}
}
