package main

import "time"

// token is what a token call brought, ready to be set on requests. It never
// changes, so that requests and the cache can share it.
type token struct {
	// values of the scope's protected headers, in their order: the token with its
	// prefix, then those of upstreamHeaders; "" for one that is missing.
	values []string
	// On the monotonic clock that all workers of a process share.
	expiresAt time.Duration
	refreshAt time.Duration // from then on it is renewed in the background
}

func (t *token) validAt(now time.Duration) bool { return t != nil && now < t.expiresAt }

// same tells whether both stand for the same answer of the token service.
func (t *token) same(other *token) bool {
	return t != nil && other != nil && t.expiresAt == other.expiresAt && t.values[0] == other.values[0]
}
