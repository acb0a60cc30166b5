// Package token is the vocabulary that all other packages share: a token, whose it is, who obtains it, and why there is
// none. It has no logic but one table (reason.go), from which everything follows that a failure means.
//
//	request ──▶ cache ──▶ share ──▶ chain ──▶ client ──▶ the token service
//	              each but the first is a Source, and all but the last have one inside
//
// Whoever adds a way to obtain tokens writes one more Source. Cache and share know no more of it than this package says.
package token

import (
	"math/rand/v2"
	"time"
)

// Token is what a Source has obtained.
type Token struct {
	// Values are the request headers to set, in the order in which the configuration names them; "" for one that the
	// token service did not send. The first is the token itself.
	Values []string
	// ID tells tokens apart that different calls brought, even if they look the same. 0: whoever keeps it gives it one.
	ID ID
	// Lifetime is that of the whole token. 0: it is for those who wait for it, and must not be kept.
	Lifetime time.Duration
	// SubjectLifetime is how long, counted like Lifetime, the caller's own token lives: nothing that was given for it
	// outlives it. 0: unknown.
	SubjectLifetime time.Duration
	// Age is how much of these has passed when done is told: that of the call, or of the time that it was kept.
	Age time.Duration
	// IsShared: another worker or gateway has called for it.
	IsShared bool
}

// ID identifies a token. It is no secret. 0 is none.
type ID uint64

// NewID returns an ID that no other token has.
func NewID() ID { return ID(rand.Uint64() | 1) } //nolint:gosec // no secret

// Key identifies a token, or what it depends on. It is a hash because its inputs include secrets.
type Key = [16]byte

// Caller is the client that a token is for, where tokens depend on it.
type Caller interface {
	Values() string // identify the caller; they include its secrets
	Key() Key       // the same as a hash
	Size() int      // of what it keeps in memory, in bytes
}

// KeyOf is the caller's key; zero without one.
func KeyOf(c Caller) Key {
	if c == nil {
		return Key{}
	}
	return c.Key()
}

// Query is what a Source is asked for.
type Query struct {
	Caller Caller // nil where tokens do not depend on it
	// Have is the token that is to be replaced; 0: any token will do.
	Have ID
	// IsRejected: the upstream has rejected Have. Otherwise it is only due for renewal.
	IsRejected bool
	// Cause is the request that waits for the token, the first of them; nil: none does, as with a renewal.
	Cause Cause
}

// Cause is a request for which a call is made.
type Cause interface {
	// Headers are those of the request with these names, which are in lower case. There are none once it is gone.
	Headers(names []string) [][2]string
}

// Source obtains tokens. done is called exactly once, before Fetch returns or later.
type Source interface {
	Fetch(q Query, done func(Token, *Error))
}

// Clock tells the time.
type Clock interface {
	// Monotonic counts from a start that all workers of the process share.
	Monotonic() time.Duration
	Wall() time.Time
}
