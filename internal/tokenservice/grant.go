package tokenservice

import (
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

// Grant is what a good answer gives. The token's Values are those of the Protected headers, and its times count from
// when the call was sent.
type Grant struct {
	token.Token
	// Warnings for the log, or empty: why the token must not be kept, and what the answer has in the place of a lifetime.
	// Each begins with a verb whose subject is the token service, and says what to configure.
	Uncached, Unreadable string
	LifetimeFrom         string // what decides on Lifetime, for the log: a name in the answer or a key; empty: it is not kept
}

// maxSubjectLifetime is as long as a token can serve at all, the time in which it stands in included. Some callers bring tokens
// that end in the year 2286 or later: sums with that can overflow, and a fleet takes no such record.
const maxSubjectLifetime = 2 * schema.MaxSeconds * time.Second

// Grant reads an answer. sentAt is when its call was sent, and c whose it was; nil where tokens do
// not depend on the caller.
func (s *Service) Grant(a *Answer, c *Caller, sentAt time.Time) (Grant, *token.Error) {
	values, failed := s.answer.read(a, sentAt)
	if failed != nil {
		return Grant{}, failed
	}
	g := Grant{Token: token.Token{Values: values}}
	if !s.isCached {
		return g, nil
	}
	found := s.lifetime.of(a, values[0], sentAt)
	g.Lifetime, g.LifetimeFrom, g.Uncached, g.Unreadable = found.length, found.from, found.uncached, found.unreadable
	if s.limitToCaller(&g.Token, c, sentAt) {
		g.LifetimeFrom = "the caller's token"
	}
	return g, nil
}

// limitToCaller has a token live no longer than those of the caller that it was given for, and reports whether it would have.
func (s *Service) limitToCaller(t *token.Token, c *Caller, sentAt time.Time) bool {
	if c == nil {
		return false
	}
	expiry, ok := c.expiry()
	if !ok {
		return false
	}
	t.SubjectLifetime = min(max(expiry.Add(subjectLeeway).Sub(sentAt), 1), maxSubjectLifetime)
	if t.SubjectLifetime >= t.Lifetime {
		return false
	}
	t.Lifetime = t.SubjectLifetime
	return true
}
