package cache

import (
	"time"

	"token-fetch/internal/token"
)

// begunFetch is a fetch under way, with its number.
type begunFetch struct {
	entry  *Entry
	number int
}

// maxSweep is how many entries one Tick looks at: with very many callers, each is looked
// at in one of several ticks, so that none of them holds up the worker's requests.
const maxSweep = 1024

// Tick looks after the entries: fetches that the host never ended, tokens that are due,
// entries that are of no use any more, and after a failure what another worker may have
// stored. The root context calls it some ten times a second, with the time: a configuration may have
// thousands of caches, and for each of them the host would have to be asked twice.
func (c *Cache) Tick(now time.Duration, wall time.Time) {
	c.heedClockJump(wallAhead(now, wall))
	c.endOverdue(now)
	if c.common != nil {
		c.tickCommon(now)
		return
	}
	c.sweepKept(now)
	c.sweepRefused(now)
}

func (c *Cache) tickCommon(now time.Duration) {
	switch {
	case c.policy.WarmUp && !c.isWarm:
		c.tickWarmUp(now)
	case c.common.due(now):
		c.renew(c.common, now)
	case c.outage.count > 0 || c.common.retry.count > 0:
		c.look(c.common, now)
	}
}

// renew fetches a new token ahead of time, unless another worker does or did.
func (c *Cache) renew(e *Entry, now time.Duration) {
	// A request asks for it as well, each time, so that others must not have been asked just now.
	if !c.mayFetch(now) || c.workers != nil && now < e.lookedAt+lookPause || !c.claimRenewal(e, now) {
		return
	}
	c.Stats.Refreshes++
	c.renewLater(e)
}

// endOverdue gives up fetches that the host has let go without a word.
func (c *Cache) endOverdue(now time.Duration) {
	for len(c.underWay) > 0 {
		first := c.underWay[0]
		isUnderWay := first.entry.fetch.state == underWay && first.entry.fetch.number == first.number
		if isUnderWay && !first.entry.fetch.overdue(now) {
			return
		}
		c.underWay[0] = begunFetch{} // the array must not keep what is over
		c.underWay = c.underWay[1:]
		if isUnderWay {
			if d, ok := c.end(first.entry, first.number, token.Token{}, errNoResult); ok {
				c.deliver(d)
			}
		}
	}
	c.underWay = nil // and with it the array that held them
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
		c.settle(e, now)
	}
}

func (c *Cache) sweepRefused(now time.Duration) {
	for range maxSweep {
		oldest := c.lists[refused].Back()
		if oldest == nil || !oldest.Value.(*Entry).retry.forgotten(now) {
			return
		}
		c.settle(oldest.Value.(*Entry), now)
	}
}

// jumpTolerance is what the two clocks may drift apart between two ticks without it being a jump.
const jumpTolerance = time.Second

func wallAhead(now time.Duration, wall time.Time) time.Duration {
	return time.Duration(wall.UnixNano()) - now
}

// heedClockJump shortens the life of all tokens when the wall clock jumps ahead: either it was
// wrong when their end was read from it, or the machine has slept, which the monotonic clock
// does not count. A clock that is set back lengthens nothing.
func (c *Cache) heedClockJump(ahead time.Duration) {
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
