package tokenservice

import (
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

// Grant is the result of a successful response. The token's Values are those of the Protected headers. Its times count
// from when the call was sent.
type Grant struct {
	token.Token
	// Warnings for the log: why the token must not be cached, what the response has instead of a readable lifetime, and
	// that the next call may fail. Each is empty, or starts with a verb whose subject is the token service and says what
	// to configure.
	Uncached, Unreadable, Rotated string

	LifetimeFrom string // source of Lifetime for the log, a name in the response or a key; empty: not cached
}

// maxSubjectLifetime is as long as any token can serve, including as a stale one. Some callers' tokens expire in 2286
// or later; sums with such lifetimes could overflow, and stores reject them.
const maxSubjectLifetime = 2 * schema.MaxSeconds * time.Second

// Grant evaluates a response. sentAt is when the call was sent, and c its caller; nil if tokens do not depend on the
// caller.
func (s *Service) Grant(resp *Response, c *Caller, sentAt time.Time) (Grant, *token.Error) {
	values, failed := s.response.read(resp, sentAt)
	if failed != nil {
		return Grant{}, failed
	}
	g := Grant{Token: token.Token{Values: values}, Rotated: s.rotated(resp)}
	if !s.isCached {
		return g, nil
	}
	found := s.lifetimes.lifetimeOf(resp, resp.token, sentAt)
	g.Lifetime, g.LifetimeFrom, g.Uncached, g.Unreadable = found.length, found.from, found.uncached, found.unreadable
	if s.limitToCaller(&g.Token, c, sentAt) {
		g.LifetimeFrom = "the caller's token"
	}
	return g, nil
}

// rotated says so if the response replaces the configured refresh token, which the plugin has nowhere to keep.
func (s *Service) rotated(resp *Response) string {
	if s.refreshToken == "" {
		return ""
	}
	if next := resp.json("refresh_token"); next.Type != gjson.String || next.Str == "" || next.Str == s.refreshToken {
		return ""
	}
	return "answers with another refresh_token than the configured one, which each call sends: if that is valid only once, the next call fails (want one that does not change)"
}

// limitToCaller limits a token's life to that of the caller's tokens, and reports whether it was longer.
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
