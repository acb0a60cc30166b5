package cache

import (
	"math/rand/v2"
	"time"

	"token-fetch/internal/token"
)

// MaxBackoff is the longest wait after any number of failures, unless the token service asks for more.
const MaxBackoff = 30 * time.Second

// backoff spaces what must not be retried at once: fetches after failures, and new tokens for an upstream that rejects
// every one. Each wait is twice the previous one, plus up to a fifth at random so that gateways do not act in step.
type backoff struct {
	first time.Duration
	count int           // of consecutive failures
	since time.Duration // the latest failure, monotonic
	until time.Duration // end of the wait
}

// wrap returns the failure that started the wait, for those who ask during it.
func (b *backoff) wrap(err *token.Error, now time.Duration) *token.Error {
	if err == nil {
		return nil
	}
	return &token.Error{Reason: err.Reason, RetryAfter: max(b.until-now, 0), IsBackoff: true, Detail: err.Detail}
}

func (b *backoff) ready(now time.Duration) bool { return now >= b.until }

// failed starts the next wait. It lasts at least err.RetryAfter, and exactly that if isShared and err.IsBackoff:
// everyone who shares the Source counts the same failures. What began before the previous failure was known belongs to
// that failure: of a hundred calls in flight when the token service went down, one counts.
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

// succeeded ends the wait, unless a failure came after the successful fetch began.
func (b *backoff) succeeded(begunAt time.Duration) {
	if begunAt >= b.since {
		b.count, b.until = 0, 0
	}
}

// undo reverts the latest failure because others decided that it does not count. The next one counts from until on.
func (b *backoff) undo(until time.Duration) {
	b.count--
	b.until = until
}

// forgotten reports whether the failures are so long ago that the next one counts as the first.
func (b *backoff) forgotten(now time.Duration) bool { return now >= b.until+MaxBackoff }
