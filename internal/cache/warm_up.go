package cache

import "time"

// This file is how the first token that is the same for all comes before any request: by one fetch for all
// workers that share it, and one more after each wait until there is a token. After that, it is renewed
// like any other: if it is used.

// leadPause is the time between two looks whether another worker, which fetches the first token, has done so or is gone.
// With a thousand rules, each worker looks at a thousand records.
const leadPause = time.Second

// tickWarmUp fetches the first token, unless another worker does or has failed just now.
func (c *Cache) tickWarmUp(now time.Duration) {
	e := c.common
	switch {
	case e.token.validAt(now):
		c.isWarm = true // a request or another worker was faster
	case e.fetch.state != idle || !c.mayFetch(now) || !e.retry.open(now) || now < c.warmUpAt:
	case c.claimFirst(e, now):
		c.renewLater(e)
	}
}

// claimFirst is claimRenewal for the first token. Whichever worker is next goes on where the others have got to, so
// that all of them together try as often as one.
func (c *Cache) claimFirst(e *Entry, now time.Duration) bool {
	if c.workers == nil {
		return true
	}
	e.lookedAt = now
	r, ok := c.claim(e, now, func(r *record) bool {
		return !r.isLeased(now) && !r.failed.holdsBack(now) && !c.hasNews(e, r, now)
	})
	switch {
	case !ok:
		c.warmUpAt = now + leadPause
		c.learn(e, &r, now)
	case r.failed.reason.IsUnavailable():
		c.outage.catchUp(r.failed.wait, now)
	}
	return ok
}
