package tokencache

import (
	"fmt"
	"time"
)

// Store is what the workers of one gateway process share.
type Store interface {
	// Load returns nil when there is no such key. version is for the next Swap.
	Load(key string) (data []byte, version uint32)
	// Swap writes if nobody has since version was read, and reports whether it did. A key that
	// was missing may be written by two at once; the later one wins.
	Swap(key string, data []byte, version uint32) bool
}

// Shared data of a host can't be deleted, so that records have a fixed number of places for all
// configurations that there ever are. Each has a few places where it may stand, and takes
// the first that nobody uses any more, else the one whose token is the oldest: a configuration that is
// in use renews its token, one that was replaced does not.
const (
	places        = 256
	placesEach    = 4
	writeAttempts = 5 // against other workers
)

// The version is part of the key, so that a plugin of another version in the same
// process, during an upgrade, neither reads nor spoils the records.
const keyPrefix = "token-fetch/2/"

// sharing is what a Cache and those of the other workers tell each other. A nil *sharing is
// of a cache that is alone, whose methods below do nothing.
type sharing struct {
	store  Store
	key    Key
	values int // of a token of this configuration
}

// find reads the record of this configuration or, where it has none, returns an empty one for the place
// that it may take.
func (s *sharing) find(now time.Duration) (place string, r record, version uint32) {
	var oldest time.Duration
	for i := range placesEach {
		candidate := s.place(i)
		data, v := s.store.Load(candidate)
		found, wellFormed := decodeRecord(data)
		if wellFormed && found.owner == s.key && (found.token == nil || len(found.token.Values) == s.values) {
			return candidate, found, v
		}
		age := found.inUseSince(now)
		if !wellFormed {
			age = unused
		}
		if i == 0 || age < oldest {
			place, version, oldest = candidate, v, age
		}
	}
	return place, record{owner: s.key}, version
}

func (s *sharing) place(attempt int) string {
	return fmt.Sprintf("%s%d", keyPrefix, (int(s.key[0])+attempt)%places)
}

// update writes what change makes of the record, again when another worker was faster.
// change returns false when there is nothing to write.
func (s *sharing) update(now time.Duration, change func(*record) bool) bool {
	for range writeAttempts {
		place, r, version := s.find(now)
		if !change(&r) {
			return false
		}
		if s.store.Swap(place, r.encode(), version) {
			return true
		}
	}
	return false
}

// adoptShared takes the token that another worker stored, and reports whether it is news.
func (c *Cache) adoptShared(e *Entry, now time.Duration) bool {
	if c.workers == nil {
		return false
	}
	_, r, _ := c.workers.find(now)
	if !e.adopt(now, r.tokenAt(now, c.Clock.Wall())) {
		return false
	}
	c.outage.succeeded(e.token.issuedAt)
	return true
}

// shareRefusal has the other workers know that the token does not stand in after its end.
func (c *Cache) shareRefusal(e *Entry, now time.Duration) {
	if c.workers == nil || e.token == nil {
		return
	}
	c.workers.update(now, func(r *record) bool {
		if !r.token.same(e.token) {
			return false
		}
		r.token = r.token.withoutStale()
		return true
	})
}

// publish gives the other workers the token that has just come.
func (c *Cache) publish(e *Entry, now time.Duration) {
	if c.workers == nil || !e.token.validAt(now) {
		return
	}
	endsAt := c.Clock.Wall().Add(e.token.expiresAt - now)
	c.workers.update(now, func(r *record) bool {
		r.token, r.endsAt, r.renewedUntil = e.token, endsAt, 0
		return true
	})
}

// takeLease makes this worker the one that renews the token, until a time by which it has done so or
// has failed.
func (c *Cache) takeLease(now, until time.Duration) bool {
	if c.workers == nil {
		return true
	}
	place, r, version := c.workers.find(now)
	if now < r.renewedUntil {
		return false
	}
	r.renewedUntil = until
	return c.workers.store.Swap(place, r.encode(), version)
}

// holdBackRenewal has the other workers wait as long as this one before the next try.
func (c *Cache) holdBackRenewal(e *Entry, now time.Duration) {
	if c.workers == nil || !e.token.validAt(now) {
		return
	}
	c.workers.update(now, func(r *record) bool {
		r.renewedUntil = max(c.outage.until, e.retry.until)
		return r.token.same(e.token)
	})
}

// heardOfRejection reports whether another worker has withdrawn the token or stored another. If not,
// this one learns how the earlier rejections are spaced, as the wait after them is one for
// all workers.
func (c *Cache) heardOfRejection(e *Entry, t *Token) bool {
	if c.workers == nil {
		return false
	}
	_, r, _ := c.workers.find(c.Clock.Monotonic())
	if r.isAbsent() {
		return false
	}
	if !r.token.same(t) {
		return true
	}
	e.rejections.catchUp(r.rejections)
	return false
}

// withdraw takes a rejected token away from the workers that have not seen it yet. It reports
// whether nobody had done so before.
func (c *Cache) withdraw(e *Entry, t *Token) bool {
	if c.workers == nil {
		return true
	}
	return c.workers.update(c.Clock.Monotonic(), func(r *record) bool {
		if !r.isAbsent() && !r.token.same(t) {
			return false
		}
		*r = record{owner: r.owner, rejections: e.rejections}
		return true
	})
}
