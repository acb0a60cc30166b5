package tokencache

import (
	"math/rand/v2"
	"time"
)

// This file is how the first token that is the same for all comes before any request: by one fetch for all
// workers that share it, and one more after each wait until there is a token. After that, it is renewed
// like any other: if it is used.

// warmUp is where a cache stands that gets its first token ahead.
type warmUp struct {
	isOver bool
	lease  time.Duration // as this worker wrote it into the record last, to lead all others; 0: never
	lookAt time.Duration // when to see whether another worker, which leads, has brought the token or gone
}

// leadPause is how much later than the leader another worker tries, and longestLead how long a leader waits at most:
// a record that says more is not from one of ours.
const (
	leadPause   = time.Second
	longestLead = MaxRetryAfter + leadPause
)

func (c *Cache) tickWarmUp(now time.Duration) {
	e := c.common
	switch {
	case e.token.validAt(now):
		c.warmUp.isOver = true // a request was faster
	case e.fetch.state != idle || !c.mayFetch(now) || !e.retry.open(now) || now < c.warmUp.lookAt:
	case c.adoptShared(e, now):
		c.warmUp.isOver = true
	case c.lead(now):
		c.want(e, true)
	}
}

// lead makes this worker the one that fetches the first token, unless another one does.
func (c *Cache) lead(now time.Duration) bool {
	if c.workers == nil {
		return true
	}
	place, r, version := c.workers.find(now)
	isOurs := c.warmUp.lease != 0 && r.renewedUntil == c.warmUp.lease
	isLed := now < r.renewedUntil && r.renewedUntil <= now+longestLead
	if isLed && !isOurs {
		c.warmUp.lookAt = now + leadPause
		return false
	}
	// No two workers write the same.
	lease := now + c.policy.Timeout + rand.N(time.Millisecond) //nolint:gosec // no secret: it only tells workers apart
	r.renewedUntil = lease
	if !c.workers.store.Swap(place, r.encode(), version) {
		return false
	}
	c.warmUp.lease = lease
	// A record that was not there may have been written by several at once, of which the last one leads. By the next
	// tick it is known which.
	return version != 0
}

// keepLead has the other workers wait for this one after a fetch that has failed, so that all of them together
// try as often as one.
func (c *Cache) keepLead(e *Entry, now time.Duration) {
	if c.workers == nil || c.warmUp.isOver || c.warmUp.lease == 0 {
		return
	}
	lease := max(c.outage.until, e.retry.until) + leadPause
	c.workers.update(now, func(r *record) bool {
		isOurs := r.renewedUntil == c.warmUp.lease
		if isOurs {
			r.renewedUntil = lease
		}
		return isOurs
	})
	c.warmUp.lease = lease
}
