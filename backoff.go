package main

import (
	"math/rand/v2"
	"time"
)

// maxBackoff is the longest wait after any number of failures, and maxRetryAfter
// the longest that a token service can ask for.
const (
	maxBackoff    = 30 * time.Second
	maxRetryAfter = 5 * time.Minute
)

// backoff spaces what must not be repeated at once: token calls after failures,
// and new tokens for an upstream that refuses every one. Each wait is twice the
// one before, and up to a fifth longer, so that the gateways of a fleet spread out.
type backoff struct {
	first time.Duration // the first wait
	count int           // of failures in a row
	until time.Duration // monotonic; nothing is done before
}

func (b *backoff) open(now time.Duration) bool { return now >= b.until }

// failed starts the next wait, which lasts for at least least.
func (b *backoff) failed(now, least time.Duration) {
	wait := b.first << min(b.count, 20)
	wait += time.Duration(rand.Int64N(int64(wait)/5 + 1))
	wait = max(min(wait, maxBackoff), min(least, maxRetryAfter))
	b.count++
	b.until = now + wait
}

// catchUp takes over where another worker stands, if that is further on.
func (b *backoff) catchUp(other backoff) {
	if other.until > b.until {
		b.count, b.until = other.count, other.until
	}
}

func (b *backoff) succeeded() { b.count, b.until = 0, 0 }
