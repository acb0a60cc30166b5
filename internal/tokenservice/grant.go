package tokenservice

import (
	"time"

	"token-fetch/internal/schema"
)

// Grant is what a good answer gives.
type Grant struct {
	// Values are those of the Protected headers, in their order; "" for one that is missing.
	Values []string
	// Lifetime counts from when the call was sent; 0 for a token that must not be kept.
	Lifetime time.Duration
	// SubjectLifetime is for how long the tokens live that were exchanged, with subjectLeeway, counted in the same way; 0
	// when they do not say, or there are none.
	SubjectLifetime time.Duration
	// Warnings for the log, or empty: why the token must not be kept, and what the answer has in the place of a lifetime.
	// Each begins with a verb whose subject is the token service, and says what to configure.
	Uncached, Unreadable string
}

// Kind is what a failure says about later calls.
type Kind int

// Kinds of failures.
const (
	// Unavailable: the service can't answer, whoever calls: no connection, no answer in time, 5xx, 429.
	Unavailable Kind = iota
	Refused          // any other answer than a good one
	NoToken          // a good one, but without a token that a header can carry
	// SubjectRefused: the caller's own token was refused, which is the caller's fault.
	SubjectRefused
)

// Failure is an answer without a token, or none.
type Failure struct {
	Kind       Kind
	Reason     string        // for the log; begins with a verb whose subject is the token service
	RetryAfter time.Duration // for which an unavailable service asks to be left alone
}

func (f *Failure) Error() string { return f.Reason }

// maxSubjectLifetime is as long as a token can serve at all, the time in which it stands in included. Some callers bring tokens
// that end in the year 2286 or later: sums with that can overflow, and a fleet takes no such record.
const maxSubjectLifetime = 2 * schema.MaxSeconds * time.Second

// Grant reads an answer. sentAt is when its call was sent, and c whose it was; nil where tokens do
// not depend on the caller.
func (s *Service) Grant(a *Answer, c *Caller, sentAt time.Time) (Grant, *Failure) {
	values, failed := s.answer.read(a, sentAt)
	if failed != nil {
		return Grant{}, failed
	}
	g := Grant{Values: values}
	if !s.isCached {
		return g, nil
	}
	found := s.lifetime.of(a, values[0], sentAt)
	g.Lifetime, g.Uncached, g.Unreadable = found.length, found.uncached, found.unreadable
	if c == nil {
		return g, nil
	}
	if expiry, ok := c.expiry(); ok {
		g.SubjectLifetime = min(max(expiry.Add(subjectLeeway).Sub(sentAt), 1), maxSubjectLifetime)
		g.Lifetime = min(g.Lifetime, g.SubjectLifetime)
	}
	return g, nil
}
