// Package token is the vocabulary that all other packages share: a token, whom it is for, who obtains it, and why there
// is none. It has no logic but FetchNow, and one table (reason.go) that defines everything a failure entails.
//
//	request ──▶ cache ──▶ share ──▶ chain ──▶ client ──▶ the token service
//	              share and chain are Sources that wrap one; client, and signer in its place, wrap none
//
// To add a way of obtaining tokens, write one more Source. Cache and share know nothing of it beyond this package.
//
// Words that the code uses in one sense each:
//
//   - call: one HTTP request to a token service. fetch: one Fetch of a Source, with or without a call.
//   - renewal: a fetch ahead of a token's end. "Refresh" is its name in keys and metrics.
//   - refused: the token service answers that it gives no token. rejected: an upstream, or another token service, does
//     not accept one.
//   - stale: a token that has expired or been rejected, and serves as a fallback while there is no new one.
//   - caller: the values of a request that its token depends on. subject: the caller's own token, to be exchanged.
//   - client, in prose: whoever sent the request. The type in package main: what makes the calls of a part.
//   - part: the global configuration, or a rule. named token: an entry of tokens. link: a call's reference to one.
//   - uncacheable: without a lifetime, so that there is nothing to cache or share.
package token

import (
	"math/rand/v2"
	"time"
)

// Token is what a Source obtains.
type Token struct {
	// Values are legal header values, exactly one for each header that the configuration protects, in its order. The
	// first is the token itself, and not empty. "" for another one removes that header.
	Values []string
	// ID distinguishes tokens from different calls, even if they look the same. 0: the cache or store assigns one.
	ID ID
	// Lifetime is that of the token as issued. 0: the token is uncacheable. It serves the requests that wait for it, and
	// the next request causes another fetch.
	Lifetime time.Duration
	// SubjectLifetime is how long the caller's own token lives, counted like Lifetime: nothing issued for it outlives
	// it. 0: unknown.
	SubjectLifetime time.Duration
	// Age is how much of these lifetimes has passed when done is called: the duration of the call plus the time in a
	// store.
	Age time.Duration
	// IsShared: another worker or gateway made the call.
	IsShared bool
}

// ID identifies a token. It is not a secret. 0 means none.
type ID uint64

// NewID returns a unique ID.
func NewID() ID { return ID(rand.Uint64() | 1) } //nolint:gosec // no secret

// Key identifies a token, or what it depends on. It is a hash because its inputs include secrets.
type Key = [16]byte

// Caller is the client that a token is for, if tokens depend on it.
type Caller interface {
	Values() string // identify the caller; contain its secrets
	Key() Key       // hash of the values
	Size() int      // in memory, in bytes
}

// KeyOf is the caller's key; zero if c is nil.
func KeyOf(c Caller) Key {
	if c == nil {
		return Key{}
	}
	return c.Key()
}

// Query is what a Source is asked for.
type Query struct {
	Caller Caller // nil if tokens do not depend on it
	// Have is the token to be replaced; 0: any token will do.
	Have ID
	// IsRejected: the upstream has rejected Have. Otherwise it is only due for renewal.
	IsRejected bool
	// Cause is the first request that waits for the token; nil if none does, as in a renewal.
	Cause Cause
}

// Cause is a request that causes a call.
type Cause interface {
	// Headers returns the request's headers with these lower-case names; none once the request is gone.
	Headers(names []string) [][2]string
}

// Source obtains tokens.
type Source interface {
	// Fetch obtains a token for q.Caller. It calls done exactly once, before it returns or later, with an error or else a
	// token. All calls are on the worker's one thread.
	Fetch(q Query, done func(Token, *Error))
}

// Result is what a Fetch ends with: an error or else a token.
type Result struct {
	Token Token
	Err   *Error
}

// FetchNow fetches, and returns the result if it is there when Fetch returns. Otherwise it returns nil, and passes the
// result to later.
func FetchNow(s Source, q Query, later func(Token, *Error)) (result *Result) {
	hasReturned := false
	s.Fetch(q, func(t Token, err *Error) {
		if hasReturned {
			later(t, err)
			return
		}
		result = &Result{t, err}
	})
	hasReturned = true
	return result
}

// Peeker is a Source that may have a token without fetching: share.Source. While no fetch is allowed, a cache asks its
// own source, and none that this one wraps: a Source around a Peeker has to be one too.
type Peeker interface {
	Source
	// Peek returns what the source has for the caller; nil if tokens do not depend on it. isRejected: the token is only a
	// fallback until there is a new one.
	Peek(c Caller) (t Token, isRejected, ok bool)
}

// Clock tells the time.
type Clock interface {
	// Monotonic has a starting point common to all workers of the process.
	Monotonic() time.Duration
	Wall() time.Time
}
