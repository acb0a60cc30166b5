package cache

import (
	"time"

	"token-fetch/internal/token"
)

// stored is a token with its times. It is immutable, so that requests and caches can share it.
type stored struct {
	token.Token
	// rejected by the upstream: requests wait for a new token, and this one serves as a fallback until it expires.
	rejected bool
	// All on the monotonic clock.
	issuedAt   time.Duration // when the call was sent
	dueAt      time.Duration // due for renewal in the background
	expiresAt  time.Duration // no longer valid
	staleUntil time.Duration // until then it may serve while the service is unavailable; never before expiresAt
}

// newToken adds times to a token that has just arrived.
func (p *Policy) newToken(t token.Token, now time.Duration) *stored {
	if t.ID == 0 {
		t.ID = token.NewID()
	}
	sentAt := now - t.Age
	s := &stored{
		Token:     t,
		issuedAt:  sentAt,
		dueAt:     sentAt + p.dueAfter(t.Lifetime),
		expiresAt: sentAt + t.Lifetime,
	}
	s.staleUntil = s.expiresAt + p.StaleIfError
	if t.SubjectLifetime > 0 {
		s.staleUntil = min(s.staleUntil, max(s.expiresAt, sentAt+t.SubjectLifetime))
	}
	return s
}

// use returns the token for a request, or nil.
func (s *stored) use() *token.Token {
	if s == nil {
		return nil
	}
	return &s.Token
}

// validAt reports whether requests use the token without asking for another.
func (s *stored) validAt(now time.Duration) bool { return s != nil && !s.rejected && now < s.expiresAt }

// serves reports whether the token may be used at all, if only as a fallback.
func (s *stored) serves(now time.Duration) bool { return s != nil && now < s.staleUntil }

func (s *stored) same(other *stored) bool { return s != nil && other != nil && s.ID == other.ID }

func (s *stored) is(id token.ID) bool { return s != nil && s.ID == id }

// withoutStale returns the token, not to be used after it expires.
func (s *stored) withoutStale() *stored {
	ending := *s
	ending.staleUntil = ending.expiresAt
	return &ending
}

// asRejected returns the token marked as rejected.
func (s *stored) asRejected() *stored {
	rejected := *s
	rejected.rejected = true
	return &rejected
}

// merge adds what others know of the token: that it was rejected, or that it is older.
func (s *stored) merge(other *stored) *stored {
	merged := *s
	merged.rejected = s.rejected || other.rejected
	if other.expiresAt < s.expiresAt-jumpTolerance {
		return merged.agedBy(s.expiresAt - other.expiresAt)
	}
	return &merged
}

// agedBy returns the token with all its times moved earlier.
func (s *stored) agedBy(by time.Duration) *stored {
	moved := *s
	moved.issuedAt -= by
	moved.dueAt -= by
	moved.expiresAt -= by
	moved.staleUntil -= by
	return &moved
}
