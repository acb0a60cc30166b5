package cache

import (
	"errors"
	"math/rand/v2"
	"time"
)

// MaxBackoff is the longest wait after any number of failures, and MaxRetryAfter the longest
// that a token service can ask for.
const (
	MaxBackoff    = 30 * time.Second
	MaxRetryAfter = 5 * time.Minute
)

// backoff spaces what must not be repeated at once: fetches after failures, and new
// tokens for an upstream that rejects every one. Each wait is twice the one before, and
// up to a fifth longer, so that the gateways of a fleet spread out.
type backoff struct {
	first time.Duration // the first wait
	count int           // of failures in a row
	since time.Duration // the latest of them, monotonic
	until time.Duration // nothing is done before
}

// heldBack is an error after which no fetch is made for some time.
type heldBack struct {
	error
	until time.Duration // monotonic
}

func (h *heldBack) Unwrap() error { return h.error }

// HeldBackUntil is the moment, by the monotonic clock, before which no fetch is made because of the error that a
// request was told. ok is false when there is none, or it is not known.
func HeldBackUntil(err error) (until time.Duration, ok bool) {
	var held *heldBack
	if !errors.As(err, &held) {
		return 0, false
	}
	return held.until, true
}

// because is the error of the failure that began the wait, for those who ask during it.
func (b *backoff) because(err error) error { return &heldBack{err, b.until} }

func (b *backoff) open(now time.Duration) bool { return now >= b.until }

// failed starts the next wait, which lasts for at least least. What was begun before the
// failure before was known belongs to that one: of a hundred calls that were under way
// when the token service went down, one counts.
func (b *backoff) failed(begunAt, now, least time.Duration) {
	least = min(least, MaxRetryAfter)
	if b.count > 0 && begunAt < b.since {
		b.until = max(b.until, now+least)
		return
	}
	if b.forgotten(now) {
		b.count = 0
	}
	wait := b.first << min(b.count, 20)
	wait += rand.N(wait/5 + 1) //nolint:gosec // no secret: it only spreads gateways
	wait = max(min(wait, MaxBackoff), least)
	b.count++
	b.since, b.until = now, now+wait
}

// succeeded ends the failures, but for those that came after the success was begun.
func (b *backoff) succeeded(begunAt time.Duration) {
	if begunAt >= b.since {
		b.count, b.until = 0, 0
	}
}

// catchUp takes over where another worker stands, if that is further on. No wait is longer than
// the longest, whatever has been written for it.
func (b *backoff) catchUp(other backoff, now time.Duration) {
	if until := min(other.until, now+MaxBackoff); until > b.until {
		b.count, b.since, b.until = other.count, min(other.since, now), until
	}
}

// forgotten reports whether the failures are so long ago that the next would be a first one.
func (b *backoff) forgotten(now time.Duration) bool { return now >= b.until+MaxBackoff }
