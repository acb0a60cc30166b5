// Package cache keeps the tokens of one worker. It coalesces the requests that need the same token into one fetch,
// renews tokens before they expire, serves stale tokens while the token service is unavailable, and backs off after
// failures. It knows nothing of HTTP, the gateway or other workers: tokens come from a token.Source, and a request is a
// Waiter.
//
//	request ──▶ Common or Find, Fresh ──▶ a token: done
//	   │
//	   └──────▶ Ask ──▶ a token, an error, or: wait ◀── notified by the Scheduler, in batches
//	                      │                                  ▲
//	                      ▼                                  │
//	Tick ──▶ renew ──▶ Source.Fetch ──▶ done, at once or later
//
// The root context calls Tick about ten times a second, and Scheduler.RunBatch in separate callbacks while there is
// work. All callbacks of a worker run on one thread, so there are no locks.
//
// What must stay true, and the tests that say so:
//
//   - A request is notified exactly once, whatever happens to its fetch or to other requests: TestWaitersThatLeave, and
//     in internal/share TestFourWorkersAtRandom.
//   - At most BatchSize requests are notified in one callback: TestWaitersAreToldInBatches.
//   - Fetches that are slow to begin do not hold up the worker: TestRequestsBeginFetchesThemselves.
//   - Callers whose tokens are refused never evict a good token, and all callers together stay within limits:
//     lru_test.go.
//   - A token that the upstream rejected serves only while there is no new one: TestRejectedTokenServesWithoutNewOne.
//   - Late or duplicate results of a renewal never end a valid token: TestRenewalElsewhere.
package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// Cache provides requests with tokens: a common one, or one per caller.
type Cache struct {
	Deps
	policy *Policy
	source token.Source

	common   *Entry // holds the common token; nil if tokens depend on the caller
	entries  map[token.Key]*Entry
	byValues map[string]*Entry // entries with a token, by the values of their callers
	lists    [segments]entryList
	fetching int          // fetches queued or in flight
	outage   backoff      // after fetches that failed because the service is unavailable, for any caller
	noAnswer *token.Error // the latest of these failures
	isWarm   bool         // the common entry has had a token, so warming up is done

	isClosed    bool          // late results are ignored
	nextToSweep *list.Element // in the list of kept entries, see Tick
	wallOffset  time.Duration // wall clock minus monotonic clock, as of the latest Tick
}

// New returns a cache of one token that all callers share.
func New(policy *Policy, source token.Source, deps Deps) *Cache {
	c := newCache(policy, source, deps)
	c.common = c.newEntry(token.Key{}, nil)
	return c
}

// NewPerCaller returns a cache with a token for each caller.
func NewPerCaller(policy *Policy, source token.Source, deps Deps) *Cache {
	c := newCache(policy, source, deps)
	c.entries, c.byValues = map[token.Key]*Entry{}, map[string]*Entry{}
	c.Memory.add(c)
	return c
}

func newCache(policy *Policy, source token.Source, deps Deps) *Cache {
	return &Cache{
		Deps: deps, policy: policy, source: source,
		outage:     backoff{first: policy.Backoff},
		wallOffset: wallOffset(deps.Clock.Monotonic(), deps.Clock.Wall()),
	}
}

func (c *Cache) newEntry(key token.Key, caller token.Caller) *Entry {
	return &Entry{
		key: key, caller: caller,
		retry:      backoff{first: c.policy.Backoff},
		rejections: backoff{first: c.policy.Backoff},
	}
}

// Close releases the cache's share of the worker's memory. The host does not deliver results of fetches after this.
func (c *Cache) Close() {
	c.isClosed = true
	if c.entries != nil {
		c.Memory.remove(c)
	}
}

// Common returns the entry of the common token; nil if tokens depend on the caller.
func (c *Cache) Common() *Entry { return c.common }

// EndOfTokenInUse is when the common token expires, by the wall clock. It is zero if there is none, or if requests have
// stopped using it, so that it is no longer renewed. Clock drift does not change it.
func (c *Cache) EndOfTokenInUse(now time.Duration) time.Time {
	e := c.common
	if e == nil || !e.token.validAt(now) || now >= e.token.dueAt && !e.isUsed(now) {
		return time.Time{}
	}
	return time.Unix(0, int64(e.token.expiresAt+c.wallOffset))
}

// Find returns the entry with the caller's token, or nil. It marks the entry as most recently used. now may be slightly
// behind.
func (c *Cache) Find(values []byte, now time.Duration) *Entry {
	e := c.byValues[string(values)] // not by their hash, which would cost more than this lookup
	if e == nil {
		return nil
	}
	if c.nextToSweep == e.element {
		c.nextToSweep = e.element.Prev()
	}
	c.lists[kept].MoveToFront(e.element)
	// Tick renews too, but with many callers it gets to each one only now and then.
	if e.token != nil && now >= e.token.dueAt && e.due(now) {
		c.renew(e, now)
	}
	return e
}

// nearEnd is the margin before expiry within which Fresh, whose clock may be a tick or so behind, no longer serves the
// token.
const nearEnd = 2 * time.Second

// Fresh returns the entry's token if it can be used, and counts the hit. e may be nil. now may be slightly behind, so
// Fresh does not return a token near its end. For most requests this, after Common or Find, is all they call.
func (c *Cache) Fresh(e *Entry, now time.Duration) *token.Token {
	if e == nil || !e.token.validAt(now+nearEnd) {
		return nil
	}
	c.Stats.Hits++
	return e.valid(now).use()
}

// Ask is for a request that found no Fresh token; caller is nil if tokens do not depend on it. It counts the hit or
// miss.
func (c *Cache) Ask(caller token.Caller, w Waiter) (*Entry, Reply) {
	now := c.Clock.Monotonic()
	e := c.entry(caller)
	if e.token.validAt(now) || c.peek(e, now) && e.token.validAt(now) {
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
		c.Stats.Hits++ // another worker had the token
	} else {
		c.Stats.Misses++
	}
	c.classify(e, now)
	return e, reply
}

func (c *Cache) askForFetch(e *Entry, now time.Duration, w Waiter) Reply {
	isFetching := e.fetch.state != idle
	mayFetch := isFetching || c.mayFetch(now) && e.retry.ready(now)
	// After a failure, no request waits to see whether the next fetch fails too.
	isFailing := c.outage.count > 0 || !e.retry.ready(now) || e.fetch.waiting() >= c.policy.MaxWaiting
	if t := e.stale(now); t != nil && isFailing {
		if mayFetch {
			c.fetchInBackground(e)
		}
		c.Stats.StaleServed++
		return Reply{Token: &t.Token}
	}
	switch {
	case !e.retry.ready(now) && !isFetching:
		return Reply{Err: e.retry.wrap(e.refusal, now)}
	case !mayFetch:
		return Reply{Err: c.outage.wrap(c.noAnswer, now)}
	case e.fetch.waiting() >= c.policy.MaxWaiting:
		return Reply{Err: errTooManyWaiting}
	}
	ticket := e.fetch.join(w)
	if isFetching {
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

// peekInterval is how often to peek for another worker's token while no fetch is allowed.
const peekInterval = 50 * time.Millisecond

// peek takes a token that the source already has while no fetch is allowed: another worker may have been luckier. It
// reports whether the token is news.
func (c *Cache) peek(e *Entry, now time.Duration) bool {
	peeker, ok := c.source.(token.Peeker)
	if !ok || e.fetch.state != idle || c.outage.ready(now) && e.retry.ready(now) || now < e.peekedAt+peekInterval {
		return false
	}
	e.peekedAt = now
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

// entry finds or creates the caller's entry.
func (c *Cache) entry(caller token.Caller) *Entry {
	if c.common != nil {
		return c.common
	}
	e := c.entries[caller.Key()]
	if e == nil {
		e = c.newEntry(caller.Key(), caller)
	}
	if e.caller == nil {
		e.caller = caller // a refused caller's entry keeps only its key
	}
	return e
}

// hasQuota reports whether there is memory for a fetch of the entry, should it need one.
func (c *Cache) hasQuota(e *Entry, now time.Duration) bool {
	return e == c.common || e.segment == kept || e.segment == pending || !e.retry.ready(now) ||
		c.Memory.hasQuota(pending, entrySize(e, pending))
}

// Reject marks the token as rejected by the upstream. The next request fetches a new one.
func (c *Cache) Reject(e *Entry, id token.ID) {
	now := c.Clock.Monotonic()
	if !e.isRejectable(id) || !e.reject(now) {
		return
	}
	e.isRejectionUncounted = true
	if e.segment != none { // it may have been evicted while the upstream handled the request
		c.classify(e, now)
	}
}
