package cache

import (
	"time"

	"token-fetch/internal/token"
)

// stored is a token with its times. It never changes, so that requests and caches can share it.
type stored struct {
	token.Token
	// rejected by the upstream: requests wait for a new one, but it serves on to its end where none is to be had.
	rejected bool
	// All on the monotonic clock.
	issuedAt   time.Duration // when the call that brought it was sent
	refreshAt  time.Duration // from then on it is renewed in the background
	expiresAt  time.Duration // it is not used any more
	staleUntil time.Duration // but to stand in while the token service can't answer; never before expiresAt
}

// newToken is a token that has just come.
func (p *Policy) newToken(t token.Token, now time.Duration) *stored {
	if t.ID == 0 {
		t.ID = token.NewID()
	}
	sentAt := now - t.Age
	s := &stored{
		Token:     t,
		issuedAt:  sentAt,
		refreshAt: sentAt + p.refreshAfter(t.Lifetime),
		expiresAt: sentAt + t.Lifetime,
	}
	s.staleUntil = s.expiresAt + p.StaleIfError
	if t.SubjectLifetime > 0 {
		s.staleUntil = min(s.staleUntil, max(s.expiresAt, sentAt+t.SubjectLifetime))
	}
	return s
}

// use is the token for a request, nil for none.
func (s *stored) use() *token.Token {
	if s == nil {
		return nil
	}
	return &s.Token
}

// validAt reports whether requests use the token without asking for another.
func (s *stored) validAt(now time.Duration) bool { return s != nil && !s.rejected && now < s.expiresAt }

// serves reports whether the token may be used at all, if only to stand in for a new one.
func (s *stored) serves(now time.Duration) bool { return s != nil && now < s.staleUntil }

func (s *stored) same(other *stored) bool { return s != nil && other != nil && s.ID == other.ID }

func (s *stored) is(id token.ID) bool { return s != nil && s.ID == id }

// withoutStale is the token, which does not stand in after its end.
func (s *stored) withoutStale() *stored {
	ending := *s
	ending.staleUntil = ending.expiresAt
	return &ending
}

// asRejected is the token, which only stands in for a new one.
func (s *stored) asRejected() *stored {
	rejected := *s
	rejected.rejected = true
	return &rejected
}

// merge is the token with what others know of it: that it was rejected, or is older.
func (s *stored) merge(theirs *stored) *stored {
	merged := *s
	merged.rejected = s.rejected || theirs.rejected
	if theirs.expiresAt < s.expiresAt-jumpTolerance {
		return merged.earlier(s.expiresAt - theirs.expiresAt)
	}
	return &merged
}

// earlier is the token with all its times moved towards now.
func (s *stored) earlier(by time.Duration) *stored {
	moved := *s
	moved.issuedAt -= by
	moved.refreshAt -= by
	moved.expiresAt -= by
	moved.staleUntil -= by
	return &moved
}
