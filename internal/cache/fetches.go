package cache

import (
	"time"

	"token-fetch/internal/token"
)

// This file is the way of a fetch, from the request that wants it to those who are told.

// trials is how many fetches find out together whether a token service is back that could not answer before. The
// requests of other callers are answered as during the wait, until one of these has succeeded.
const trials = 8

// mayFetch reports whether the token service may be called at all.
func (c *Cache) mayFetch(now time.Duration) bool {
	return c.outage.open(now) && (c.outage.count == 0 || c.fetching < trials)
}

// renewLater has the entry's token renewed in the next batch, if no fetch is under way.
func (c *Cache) renewLater(e *Entry) {
	if !e.fetch.want() {
		return
	}
	c.fetching++
	e.fetch.renewal = true
	c.Scheduler.fetch(c, e)
}

// fetchFor has a token fetched that a request waits for, at once if that may be: when the fetch ends while it is begun,
// hasEnded is true, and d for the request, which is not told otherwise.
func (c *Cache) fetchFor(e *Entry, now time.Duration, at Ticket) (d delivery, hasEnded bool) {
	e.fetch.want()
	c.fetching++
	if !c.Scheduler.mayBeginNow(now) {
		c.Scheduler.fetch(c, e)
		return d, false
	}
	d, hasEnded = c.begin(e)
	c.Scheduler.budget -= c.Clock.Monotonic() - now
	if hasEnded {
		c.countStale(d)
		at.Cancel()
	}
	return d, hasEnded
}

// begin begins a wanted fetch. When that has ended already, hasEnded is true, and d is the caller's to deliver.
func (c *Cache) begin(e *Entry) (d delivery, hasEnded bool) {
	now := c.Clock.Monotonic()
	switch {
	case e.fetch.state != wanted:
		return d, false
	case !c.outage.open(now) || !e.fetch.isNeeded():
		c.cancel(e, now)
		return d, false
	}
	number := e.fetch.begin(now)
	hasBegun := false
	done := func(t token.Token, err *token.Error) {
		switch result, ok := c.end(e, number, t, err); {
		case !ok: // given up before: its requests have been told
		case hasBegun:
			if t.IsShared && result.waiters != nil && result.waiters.Len() > 0 {
				c.Stats.Coalesced++ // the first of them waited for another worker; each of the others was counted when it came
			}
			c.deliver(result)
		default:
			d, hasEnded = result, true
		}
	}
	func() {
		defer c.failOnPanic(done) // the fetches after this one must be begun
		q := e.query(now)
		q.Cause = e.fetch.cause()
		c.source.Fetch(q, done)
	}()
	hasBegun = true
	return d, hasEnded
}

// cancel is for a wanted fetch for which nobody waits any more, or whose service has failed since.
func (c *Cache) cancel(e *Entry, now time.Duration) {
	waiters, ok := e.fetch.cancel()
	if !ok {
		return
	}
	c.fetching--
	c.deliver(delivery{waiters: waiters, token: e.stale(now), err: c.outage.wrap(c.noAnswer, now)})
	c.classify(e, now)
}

// failOnPanic leaves nobody waiting when a fetch or its answer made the plugin panic.
func (c *Cache) failOnPanic(done func(token.Token, *token.Error)) {
	if cause := recover(); cause != nil {
		c.OnPanic(cause)
		done(token.Token{}, errPanic)
	}
}

// end takes the result of a fetch, and returns what the requests that wait are to be told. ok is false for a fetch that
// has ended before.
func (c *Cache) end(e *Entry, number int, t token.Token, err *token.Error) (d delivery, ok bool) {
	isRefresh := e.fetch.isRefresh
	waiters, ok := e.fetch.end(number)
	if !ok {
		return d, false
	}
	c.fetching--
	if isRefresh && !t.IsShared {
		c.Stats.Refreshes++
	}
	if e.isUncounted {
		e.isUncounted = false
		if !t.IsShared {
			c.Stats.Invalidated++ // or else another worker was told before of the rejection, or it changed nothing
		}
	}
	now := c.Clock.Monotonic()
	d = delivery{waiters: waiters, err: errPanic} // unless something better comes
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

// reportPanic keeps a panic from the requests that are still to be told.
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
	case err.Reason == token.TooMany: // what the source waits for is what has too many, and no fetch is the worse for it
		d.err = err
	case err.Reason.IsUnavailable():
		c.outage.failed(e.fetch.sentAt, now, err, c.common != nil) // others count the failures of one caller
		c.noAnswer = err
		d.err = c.outage.wrap(err, now)
	case err.Reason == token.Missing: // no call was made, which says nothing of the service
		e.refuse(now, err)
		d.err = e.retry.wrap(err, now)
	default:
		c.outage.succeeded(e.fetch.sentAt) // it answers, if not as one would like
		e.refuse(now, err)
		d.err = e.retry.wrap(err, now)
	}
	d.token = e.stale(now)
}

// deliver has the requests told that waited, if only with a token that has expired or been rejected.
func (c *Cache) deliver(d delivery) {
	c.countStale(d)
	d.clock = c.Clock
	c.Scheduler.deliver(d)
}

// countStale counts the requests that are told of a token that has expired or been rejected.
func (c *Cache) countStale(d delivery) {
	now := c.Clock.Monotonic()
	if d.token != nil && d.waiters != nil && !d.token.validAt(now) && d.token.serves(now) {
		c.Stats.StaleServed += uint64(d.waiters.Len()) //nolint:gosec // a length
	}
}
