package cache

import (
	"time"

	"token-fetch/internal/token"
)

// This file is what the caches of several workers tell each other about a token.

// lookPause is the time between two looks at a record that no request waits for.
const lookPause = 50 * time.Millisecond

// hasNews reports whether other workers have a token that this one has not, or know that none is to be had.
func (c *Cache) hasNews(e *Entry, r *record, now time.Duration) bool {
	t := r.tokenAt(now, c.Clock.Wall())
	return t.validAt(now) && !t.same(e.token) || r.failed.refuses(now) && !e.token.validAt(now)
}

// learn takes over what other workers know, and reports whether it is news.
func (c *Cache) learn(e *Entry, r *record, now time.Duration) bool {
	if e.adopt(now, r.tokenAt(now, c.Clock.Wall())) {
		c.outage.succeeded(e.token.issuedAt)
		return true
	}
	if !r.failed.refuses(now) || e.token.validAt(now) {
		return false
	}
	e.endStale(now, r.failed.reason)
	e.retry.catchUp(r.failed.wait, now)
	e.refusal = errElsewhere(r.failed.reason)
	return true
}

// look is learn from the store.
func (c *Cache) look(e *Entry, now time.Duration) bool {
	if c.workers == nil {
		return false
	}
	e.lookedAt = now
	r := c.workers.find(&e.record)
	return c.learn(e, &r, now)
}

// mayLook spares the store where requests can't have a token anyway, or somebody looks for them.
func (c *Cache) mayLook(e *Entry, now time.Duration) bool {
	return e.fetch.state == idle && (e.retry.open(now) || now >= e.lookedAt+lookPause)
}

// claim takes the lease to fetch the token, for as long as a fetch can take, if the record says that it is
// free. It returns false when it is not. Where the store can't be written, every worker fetches for itself.
func (c *Cache) claim(e *Entry, now time.Duration, isFree func(*record) bool) (r record, ok bool) {
	until := now + c.policy.Timeout
	ok = true
	c.workers.update(&e.record, now, func(found *record) bool {
		r = *found
		ok = isFree(found)
		found.leasedUntil = until
		return ok
	})
	if ok {
		e.fetch.leasedUntil = until
		if r.failed.reason != 0 && !r.failed.reason.IsUnavailable() {
			e.retry.catchUp(r.failed.wait, now) // so that the next refusal counts as one more
		}
	}
	return r, ok
}

// claimRenewal is claim for a token that is still valid: when a worker has failed, none tries before the
// wait is over.
func (c *Cache) claimRenewal(e *Entry, now time.Duration) bool {
	if c.workers == nil {
		return true
	}
	e.lookedAt = now
	r, ok := c.claim(e, now, func(r *record) bool {
		return !r.isLeased(now) && !r.failed.holdsBack(now) && !c.hasNews(e, r, now)
	})
	if !ok {
		c.learn(e, &r, now)
	}
	return ok
}

// publish gives the other workers the token that has just come. One that is not kept is nothing for them.
func (c *Cache) publish(e *Entry, now time.Duration) {
	if c.workers == nil {
		return
	}
	if !e.token.validAt(now) {
		c.releaseLease(e, now)
		return
	}
	e.fetch.leasedUntil = 0
	endsAt := c.Clock.Wall().Add(e.token.expiresAt - now)
	c.workers.update(&e.record, now, func(r *record) bool {
		r.token, r.endsAt, r.leasedUntil, r.failed = e.token, endsAt, 0, sharedFailure{}
		return true
	})
}

// shareFailure has the other workers know of a failed fetch, unless one of them has been luckier. old is the token
// before it.
func (c *Cache) shareFailure(e *Entry, old *stored, err *token.Error, now time.Duration) {
	if c.workers == nil {
		return
	}
	if !err.Reason.IsShared() {
		c.releaseLease(e, now)
		return
	}
	failed := sharedFailure{reason: err.Reason, wait: e.retry}
	if err.Reason.IsUnavailable() {
		failed.wait = c.outage
	}
	lease := e.fetch.giveBack()
	c.workers.update(&e.record, now, func(r *record) bool {
		isOurs := lease != 0 && r.leasedUntil == lease
		if isOurs {
			r.leasedUntil = 0
		}
		if r.token.validAt(now) && !r.token.same(old) {
			return isOurs
		}
		if !err.Reason.IsUnavailable() && r.token != nil {
			r.token = r.token.withoutStale()
		}
		r.failed = failed
		return true
	})
}

// releaseLease lets another worker fetch the token, without a word of what came of this one's try.
func (c *Cache) releaseLease(e *Entry, now time.Duration) {
	lease := e.fetch.giveBack()
	if c.workers == nil || now >= lease {
		return
	}
	c.workers.update(&e.record, now, func(r *record) bool {
		isOurs := r.leasedUntil == lease
		r.leasedUntil = 0
		return isOurs
	})
}

// heardOfRejection reports whether another worker has withdrawn the token or stored another. If not,
// this one learns how the earlier rejections are spaced, as the wait after them is one for
// all workers.
func (c *Cache) heardOfRejection(e *Entry, id token.ID, now time.Duration) bool {
	if c.workers == nil {
		return false
	}
	r := c.workers.find(&e.record)
	if r.isAbsent() {
		return false
	}
	if !r.token.is(id) || r.token.rejected {
		return true
	}
	e.rejections.catchUp(r.rejections, now)
	return false
}

// withdraw marks a rejected token for the workers that have not seen it yet: they look at it before they fetch one, or
// renew theirs. It reports whether nobody had done so before. A fetch that was begun before is none that they wait for.
func (c *Cache) withdraw(e *Entry, id token.ID, now time.Duration) bool {
	if c.workers == nil {
		return true
	}
	return c.workers.update(&e.record, now, func(r *record) bool {
		if !r.isAbsent() && (!r.token.is(id) || r.token.rejected) {
			return false
		}
		if r.token != nil {
			r.token = r.token.asRejected()
		}
		r.leasedUntil, r.rejections = 0, e.rejections
		return true
	})
}
