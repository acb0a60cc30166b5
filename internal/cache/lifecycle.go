package cache

import (
	"time"

	"token-fetch/internal/token"
)

// This file is the life of a fetch: queued, begun, ended, and its result delivered to all requests that wait for it.

// maxProbes is how many fetches at a time test whether an unavailable token service has recovered. Until one succeeds,
// requests of other callers are answered as during the backoff.
const maxProbes = 8

// mayFetch reports whether the token service may be called at all.
func (c *Cache) mayFetch(now time.Duration) bool {
	return c.outage.ready(now) && (c.outage.count == 0 || c.fetching < maxProbes)
}

// fetchInBackground queues a fetch that no request waits for, unless one is queued or in flight.
func (c *Cache) fetchInBackground(e *Entry) {
	if !e.fetch.enqueue() {
		return
	}
	c.fetching++
	e.fetch.background = true
	c.Scheduler.queueFetch(c, e)
}

// fetchFor starts a fetch for a waiting request, at once if possible. If the fetch ends before fetchFor returns,
// hasEnded is true and d is the result for the request, which is not notified otherwise.
func (c *Cache) fetchFor(e *Entry, now time.Duration, ticket Ticket) (d delivery, hasEnded bool) {
	e.fetch.enqueue()
	c.fetching++
	if !c.Scheduler.mayBeginNow(now) {
		c.Scheduler.queueFetch(c, e)
		return d, false
	}
	d, hasEnded = c.begin(e)
	c.Scheduler.budget -= c.Clock.Monotonic() - now
	if hasEnded {
		c.countStale(d)
		ticket.Cancel()
	}
	return d, hasEnded
}

// begin starts a queued fetch. If it ends before begin returns, hasEnded is true, and the caller must deliver d.
func (c *Cache) begin(e *Entry) (d delivery, hasEnded bool) {
	now := c.Clock.Monotonic()
	switch {
	case e.fetch.state != queued:
		return d, false
	case !c.outage.ready(now) || !e.fetch.isNeeded():
		c.cancel(e, now)
		return d, false
	}
	number := e.fetch.begin(now)
	result := c.fetchNow(e, now, func(t token.Token, err *token.Error) { c.endLater(e, number, t, err) })
	if result == nil {
		return d, false
	}
	return c.end(e, number, result.Token, result.Err)
}

// fetchNow asks the source. The result is nil if later gets it.
func (c *Cache) fetchNow(e *Entry, now time.Duration, later func(token.Token, *token.Error)) (result *token.Result) {
	defer func() {
		if cause := recover(); cause != nil { // the next fetches must begin regardless
			c.OnPanic(cause)
			result = &token.Result{Err: errPanic}
		}
	}()
	q := e.query(now)
	q.Cause = e.fetch.cause()
	return token.FetchNow(c.source, q, later)
}

// endLater takes the result of a fetch that did not end before begin returned.
func (c *Cache) endLater(e *Entry, number int, t token.Token, err *token.Error) {
	d, ok := c.end(e, number, t, err)
	if !ok {
		return
	}
	if t.IsShared && d.waiters != nil && d.waiters.Len() > 0 {
		c.Stats.Coalesced++ // the first one waited for another worker; the others were counted when they joined
	}
	c.deliver(d)
}

// cancel ends a queued fetch that is no longer needed, or whose service has become unavailable.
func (c *Cache) cancel(e *Entry, now time.Duration) {
	waiters, ok := e.fetch.cancel()
	if !ok {
		return
	}
	c.fetching--
	c.deliver(delivery{waiters: waiters, token: e.stale(now), err: c.outage.wrap(c.noAnswer, now)})
	c.classify(e, now)
}

// end takes the result of a fetch, and returns what to notify the waiting requests of. ok is false if the fetch has
// ended already.
func (c *Cache) end(e *Entry, number int, t token.Token, err *token.Error) (d delivery, ok bool) {
	isRenewal := e.fetch.isRenewal
	waiters, ok := e.fetch.end(number)
	if !ok {
		return d, false
	}
	c.fetching--
	if isRenewal && !t.IsShared {
		c.Stats.Refreshes++
	}
	if e.isRejectionUncounted {
		e.isRejectionUncounted = false
		if !t.IsShared {
			c.Stats.Invalidated++ // otherwise another worker noticed the rejection first, or it changed nothing
		}
	}
	now := c.Clock.Monotonic()
	d = delivery{waiters: waiters, err: errPanic} // unless replaced below
	defer c.reportPanic()
	if err == nil {
		c.succeed(e, now, t, &d)
	} else {
		if err.Fallback != nil {
			e.adopt(now, c.policy.newToken(*err.Fallback, now).asRejected())
		}
		c.fail(e, now, err, &d)
	}
	c.classify(e, now)
	return d, true
}

// reportPanic recovers from a panic, so that the waiting requests are still notified.
func (c *Cache) reportPanic() {
	if cause := recover(); cause != nil {
		c.OnPanic(cause)
	}
}

func (c *Cache) succeed(e *Entry, now time.Duration, t token.Token, d *delivery) {
	d.token = c.policy.newToken(t, now)
	c.isWarm = true
	c.outage.succeeded(d.token.issuedAt)
	e.store(now, d.token, d.waiters != nil && d.waiters.Len() > 0)
}

func (c *Cache) fail(e *Entry, now time.Duration, err *token.Error, d *delivery) {
	switch {
	case err.Reason == token.TooMany: // something that the source waits for has too many requests; not a failure of this fetch
		d.err = err
	case err.Reason.IsUnavailable():
		c.outage.failed(e.fetch.sentAt, now, err, c.common != nil) // a common token's failures are counted by all workers together
		c.noAnswer = err
		d.err = c.outage.wrap(err, now)
	case err.Reason == token.Missing: // no call was made, so this says nothing about the service
		e.refuse(now, err)
		d.err = e.retry.wrap(err, now)
	default:
		c.outage.succeeded(e.fetch.sentAt) // the service is available, though it refuses
		e.refuse(now, err)
		d.err = e.retry.wrap(err, now)
	}
	d.token = e.stale(now)
}

// deliver notifies the waiting requests, if need be with a token that has expired or been rejected.
func (c *Cache) deliver(d delivery) {
	c.countStale(d)
	d.clock = c.Clock
	c.Scheduler.deliver(d)
}

// countStale counts the requests that get a token that has expired or been rejected.
func (c *Cache) countStale(d delivery) {
	now := c.Clock.Monotonic()
	if d.token != nil && d.waiters != nil && !d.token.validAt(now) && d.token.serves(now) {
		c.Stats.StaleServed += uint64(d.waiters.Len()) //nolint:gosec // a length
	}
}
