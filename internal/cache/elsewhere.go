package cache

import (
	"time"

	"token-fetch/internal/token"
)

// This file is how a fetch is left to another worker that has begun one for the same token.

// isElsewhere reports whether a wanted fetch need not be made here: another worker makes it, or
// has just made one. A cache whose tokens are not kept can't learn anything from others.
func (c *Cache) isElsewhere(e *Entry, now time.Duration) (is bool) {
	if c.workers == nil || c.keepsNothing || now < e.fetch.leasedUntil {
		return false
	}
	defer func() { is = c.endOnPanic(e, recover()) || is }()
	r, ok := c.claim(e, now, func(r *record) bool { return !r.isLeased(now) && !c.hasNews(e, r, now) })
	switch {
	case ok:
		return false
	case c.learn(e, &r, now):
		c.endElsewhere(e, now, e.retry.wrap(e.refusal, now))
	default:
		if e.fetch.waiting() > 0 {
			c.Stats.Coalesced++ // the first of them; each of the others was counted when it came
		}
		e.fetch.leave(now, now+c.policy.Patience)
		c.Scheduler.watch(watchedFetch{c, e, e.fetch.number})
	}
	return true
}

// watch looks for what has become of another worker's fetch, and reports whether that is still open. A worker
// that died, or is slow, holds up nobody for longer than the policy's Patience.
func (c *Cache) watch(e *Entry, number int) (isOpen bool) {
	if c.isClosed || e.fetch.state != elsewhere || e.fetch.number != number {
		return false
	}
	defer func() { c.endOnPanic(e, recover()) }()
	now := c.Clock.Monotonic()
	if !e.fetch.isNeeded() {
		c.callOff(e, now)
		return false
	}
	r := c.workers.find(&e.record)
	switch {
	case c.learn(e, &r, now):
		c.endElsewhere(e, now, e.retry.wrap(e.refusal, now))
	case r.failed.reason != 0 && r.failed.wait.since >= e.fetch.sentAt:
		c.failElsewhere(e, &r, now)
	case r.isLeased(now) && now < e.fetch.deadline:
		return true
	default:
		c.takeOver(e, now)
	}
	return false
}

// endOnPanic leaves nobody waiting when what another worker has written made the plugin panic, and reports whether it did.
func (c *Cache) endOnPanic(e *Entry, cause any) bool {
	if cause == nil {
		return false
	}
	c.OnPanic(cause)
	c.endElsewhere(e, c.Clock.Monotonic(), errPanic)
	return true
}

// takeOver has this worker fetch the token after all, whoever else does so.
func (c *Cache) takeOver(e *Entry, now time.Duration) {
	c.claim(e, now, func(*record) bool { return true })
	e.fetch.state = wanted
	c.Scheduler.fetch(c, e)
}

// failElsewhere ends the wait as the other worker's fetch ended that found no token service.
func (c *Cache) failElsewhere(e *Entry, r *record, now time.Duration) {
	err := errElsewhere(r.failed.reason)
	if r.failed.reason.IsUnavailable() {
		c.outage.failed(e.fetch.sentAt, now, r.failed.wait.until-now)
		c.noAnswer = err
		err = c.outage.wrap(err, now)
	}
	c.endElsewhere(e, now, err)
}

// endElsewhere tells those who waited for another worker what became of its fetch: there is a token now, or
// else err.
func (c *Cache) endElsewhere(e *Entry, now time.Duration, err *token.Error) {
	waiters, ok := e.fetch.callOff()
	if !ok {
		return
	}
	c.fetching--
	if waiters != nil && waiters.Len() > 0 && e.token.validAt(now) {
		e.usedAt = now
	}
	c.deliver(delivery{waiters: waiters, token: e.stale(now), err: err})
	c.settle(e, now)
}
