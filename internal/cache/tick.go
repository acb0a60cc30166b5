package cache

import "time"

// maxSweep is how many entries one Tick looks at: with very many callers, each is looked
// at in one of several ticks, so that none of them holds up the worker's requests.
const maxSweep = 1024

// Tick looks after the entries: tokens that are due, entries that are of no use any more, and after a failure what
// other workers may have. The root context calls it some ten times a second, with the time: a configuration may have
// thousands of caches, and for each of them the host would have to be asked twice.
func (c *Cache) Tick(now time.Duration, wall time.Time) {
	c.checkClockJump(wallAhead(now, wall))
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
		c.takeKept(e, now)
	}
}

// warmUp has the first token fetched before any request, and again after each wait until there is one. After that, it is
// renewed like any other: if it is used.
func (c *Cache) warmUp(now time.Duration) {
	e := c.common
	if c.takeKept(e, now) {
		c.isWarm = true
		return
	}
	if e.fetch.state == idle && c.mayFetch(now) && e.retry.open(now) {
		c.renewLater(e)
	}
}

// renew has a new token fetched ahead of time.
func (c *Cache) renew(e *Entry, now time.Duration) {
	if c.mayFetch(now) {
		c.renewLater(e)
		e.fetch.isRefresh = true
	}
}

// sweepKept goes from the oldest entry to the latest, on from where the tick before has stopped.
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

// jumpTolerance is what the two clocks may drift apart between two ticks without it being a jump.
const jumpTolerance = time.Second

func wallAhead(now time.Duration, wall time.Time) time.Duration {
	return time.Duration(wall.UnixNano()) - now
}

// checkClockJump shortens the life of all tokens when the wall clock jumps ahead: either it was
// wrong when their end was read from it, or the machine has slept, which the monotonic clock
// does not count. A clock that is set back lengthens nothing.
func (c *Cache) checkClockJump(ahead time.Duration) {
	jump := ahead - c.ahead
	if jump < jumpTolerance && jump > -jumpTolerance {
		return
	}
	c.ahead = ahead
	if jump < 0 {
		return
	}
	shorten := func(e *Entry) {
		if e.token != nil {
			e.token = e.token.earlier(jump)
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
