package cache

import (
	"math/rand/v2"
	"time"

	"token-fetch/internal/token"
)

// MaxBackoff is the longest wait after any number of failures, unless the token service asks for more.
const MaxBackoff = 30 * time.Second

// backoff spaces what must not be repeated at once: fetches after failures, and new
// tokens for an upstream that rejects every one. Each wait is twice the one before, and
// up to a fifth longer, so that the gateways of a fleet spread out.
type backoff struct {
	first time.Duration // the first wait
	count int           // of failures in a row
	since time.Duration // the latest of them, monotonic
	until time.Duration // nothing is done before
}

// wrap is the error of the failure that began the wait, for those who ask during it.
func (b *backoff) wrap(err *token.Error, now time.Duration) *token.Error {
	if err == nil {
		return nil
	}
	return &token.Error{Reason: err.Reason, RetryAfter: max(b.until-now, 0), IsBackoff: true, Detail: err.Detail}
}

func (b *backoff) open(now time.Duration) bool { return now >= b.until }

// failed starts the next wait, which lasts for at least as long as the token service asks for, or others hold back: just
// that long where isShared, as they count the same failures. What was begun before the failure before was known belongs to that one: of a hundred calls
// that were under way when the token service went down, one counts.
func (b *backoff) failed(begunAt, now time.Duration, err *token.Error, isShared bool) {
	least := min(err.RetryAfter, token.MaxRetryAfter)
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
	if isShared && err.IsBackoff {
		wait = least
	}
	b.count++
	b.since, b.until = now, now+wait
}

// succeeded ends the failures, but for those that came after the success was begun.
func (b *backoff) succeeded(begunAt time.Duration) {
	if begunAt >= b.since {
		b.count, b.until = 0, 0
	}
}

// undo takes the latest failure back, as others have decided that it does not count; the next counts from until on.
func (b *backoff) undo(until time.Duration) {
	b.count--
	b.until = until
}

// forgotten reports whether the failures are so long ago that the next would be a first one.
func (b *backoff) forgotten(now time.Duration) bool { return now >= b.until+MaxBackoff }
