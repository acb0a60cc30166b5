package cache

import (
	"math/rand/v2"
	"time"
)

// Token is what a fetch brought, ready to be set on requests. It never changes, so
// that requests and caches can share it.
type Token struct {
	// Values are the request headers to set, in the order that the configuration gives
	// them; "" for one that the token service did not name.
	Values []string

	id uint64 // tells apart what two fetches brought, also when both look the same
	// All on the monotonic clock.
	issuedAt   time.Duration // when the call that brought it was sent
	refreshAt  time.Duration // from then on it is renewed in the background
	expiresAt  time.Duration // it is not used any more
	staleUntil time.Duration // but to stand in while the token service can't answer; never before expiresAt
}

// Grant is what a good answer of the token service gives.
type Grant struct {
	Values []string
	// ID tells tokens apart where other gateways have them too; zero: the cache makes one.
	ID uint64
	// Lifetime counts from when the call was sent. Without one, the token is for the
	// requests that wait for it and not kept.
	Lifetime time.Duration
	// SubjectLifetime is for how long, from when the call was sent, the caller's own token
	// lives: nothing that was given for it outlives it. Zero: it does not say.
	SubjectLifetime time.Duration
}

func (p *Policy) newToken(g Grant, sentAt time.Duration) *Token {
	id := g.ID
	if id == 0 {
		id = rand.Uint64() //nolint:gosec // no secret: it only tells tokens apart
	}
	t := &Token{
		Values:    g.Values,
		id:        id,
		issuedAt:  sentAt,
		refreshAt: sentAt + p.refreshAfter(g.Lifetime),
		expiresAt: sentAt + g.Lifetime,
	}
	t.staleUntil = t.expiresAt + p.StaleIfError
	if g.SubjectLifetime > 0 {
		t.staleUntil = min(t.staleUntil, max(t.expiresAt, sentAt+g.SubjectLifetime))
	}
	return t
}

func (t *Token) validAt(now time.Duration) bool { return t != nil && now < t.expiresAt }

// serves reports whether the token may be used at all, if only to stand in for a new one.
func (t *Token) serves(now time.Duration) bool { return t != nil && now < t.staleUntil }

func (t *Token) same(other *Token) bool { return t != nil && other != nil && t.id == other.id }

// withoutStale is the token, which does not stand in after its end.
func (t *Token) withoutStale() *Token {
	ending := *t
	ending.staleUntil = ending.expiresAt
	return &ending
}

// earlier is the token with all its times moved towards now.
func (t *Token) earlier(by time.Duration) *Token {
	moved := *t
	moved.issuedAt -= by
	moved.refreshAt -= by
	moved.expiresAt -= by
	moved.staleUntil -= by
	return &moved
}
