package cache

import "time"

// maxSweep limits how many entries one Tick visits, so that sweeping many callers does not hold up requests.
const maxSweep = 1024

// Tick renews tokens that are due, drops entries that are no longer needed and, after a failure, peeks for other
// workers' tokens. The root context calls it about ten times a second. It passes the time, because with thousands of
// caches reading both clocks in each would add up.
func (c *Cache) Tick(now time.Duration, wall time.Time) {
	c.checkClockJump(wallOffset(now, wall))
	if c.common != nil {
		c.tickCommon(now)
		return
	}
	c.sweepKept(now)
	c.sweepRefused(now)
}

func (c *Cache) tickCommon(now time.Duration) {
	e := c.common
	switch {
	case c.policy.WarmUp && !c.isWarm && !e.token.validAt(now):
		c.warmUp(now)
	case e.due(now):
		c.renew(e, now)
	case !e.token.validAt(now):
		c.peek(e, now)
	}
}

// warmUp fetches the first token before any request, and retries after each backoff until there is one. From then on
// the token is renewed like any other: only while it is in use.
func (c *Cache) warmUp(now time.Duration) {
	e := c.common
	if c.peek(e, now) {
		c.isWarm = true
		return
	}
	if e.fetch.state == idle && c.mayFetch(now) && e.retry.ready(now) {
		c.fetchInBackground(e)
	}
}

// renew fetches a new token ahead of time.
func (c *Cache) renew(e *Entry, now time.Duration) {
	if c.mayFetch(now) {
		c.fetchInBackground(e)
		e.fetch.isRenewal = true
	}
}

// sweepKept visits entries from the least to the most recently used, continuing where the previous Tick stopped.
func (c *Cache) sweepKept(now time.Duration) {
	if c.nextToSweep == nil {
		c.nextToSweep = c.lists[kept].Back()
	}
	for range maxSweep {
		element := c.nextToSweep
		if element == nil {
			return
		}
		c.nextToSweep = element.Prev()
		e := element.Value.(*Entry)
		if e.due(now) {
			c.renew(e, now)
		}
		c.classify(e, now)
	}
}

func (c *Cache) sweepRefused(now time.Duration) {
	for range maxSweep {
		oldest := c.lists[refused].Back()
		if oldest == nil || !oldest.Value.(*Entry).retry.forgotten(now) {
			return
		}
		c.classify(oldest.Value.(*Entry), now)
	}
}

// jumpTolerance is how far the two clocks may drift apart between two ticks before it counts as a jump.
const jumpTolerance = time.Second

func wallOffset(now time.Duration, wall time.Time) time.Duration {
	return time.Duration(wall.UnixNano()) - now
}

// checkClockJump shortens the life of all tokens when the wall clock jumps ahead: either it was wrong when they were
// issued, or the machine has slept, which the monotonic clock does not count. A clock that is set back extends nothing.
func (c *Cache) checkClockJump(offset time.Duration) {
	jump := offset - c.wallOffset
	if jump < jumpTolerance && jump > -jumpTolerance {
		return
	}
	c.wallOffset = offset
	if jump < 0 {
		return
	}
	shorten := func(e *Entry) {
		if e.token != nil {
			e.token = e.token.agedBy(jump)
		}
	}
	if c.common != nil {
		shorten(c.common)
		return
	}
	for _, e := range c.entries {
		shorten(e)
	}
}
