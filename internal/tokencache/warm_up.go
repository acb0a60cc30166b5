package tokencache

import "time"

// This file is how the first token that is the same for all comes before any request: by one fetch for all
// workers that share it, and one more after each wait until there is a token. After that, it is renewed
// like any other: if it is used.

// tickWarmUp fetches the first token, unless another worker does or has failed just now.
func (c *Cache) tickWarmUp(now time.Duration) {
	e := c.common
	switch {
	case e.token.validAt(now):
		c.isWarm = true // a request or another worker was faster
	case e.fetch.state != idle || !c.mayFetch(now) || !e.retry.open(now):
	case c.workers != nil && now < e.lookedAt+lookPause:
	case c.claimRenewal(e, now):
		c.want(e, true)
	}
}
