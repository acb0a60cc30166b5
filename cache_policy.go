package main

import (
	"time"

	"token-fetch/internal/tokencache"
)

// hostGrace is how much later than its timeout a call is given up that the host
// has not answered at all.
const hostGrace = time.Second

// cachePolicy is the key cache: how long tokens live and what happens around their end.
type cachePolicy struct {
	tokencache.Policy
	ttl           time.Duration // lifetime when the answer names none
	maxTTL        time.Duration // 0: no cap
	expiresInPath string
	// heedsCacheControl: Cache-Control and Expires say how long a token lives. Not with OAuth 2.0, where
	// every token answer has no-store (RFC 6749 section 5.1).
	heedsCacheControl bool
	invalidateOn      []int
	shared            bool
}

// cachePolicy returns nil when every request makes a call of its own, as in the guide's sample.
func (s section) cachePolicy(oauth2 *oauth2) *cachePolicy {
	if !s.has(keyCache) && oauth2 == nil {
		return nil
	}
	cache := s.object(keyCache)
	policy := &cachePolicy{
		Policy: tokencache.Policy{
			RefreshBefore: -1,
			StaleIfError:  cache.seconds(keyStaleIfError),
			Backoff:       cache.milliseconds(keyBackoff),
			MaxEntries:    cache.integer(keyMaxEntries),
			MaxWaiting:    cache.integer(keyMaxWaiting),
		},
		ttl:               cache.seconds(keyTTL),
		maxTTL:            cache.seconds(keyMaxTTL),
		expiresInPath:     cache.jsonPath(keyExpiresInPath),
		heedsCacheControl: oauth2 == nil,
		invalidateOn:      cache.statuses(keyInvalidateOn),
		shared:            cache.boolean(keyShared),
	}
	if cache.has(keyRefreshBefore) {
		policy.RefreshBefore = cache.seconds(keyRefreshBefore)
	}
	return policy
}

func (s section) statuses(k *key) []int {
	value, ok := s.value(k)
	if !ok {
		return k.fallback.([]int)
	}
	if !value.IsArray() {
		s.invalid(k, value, string(k.kind))
		return nil
	}
	statuses := []int{}
	for _, element := range value.Array() {
		status, isInteger := wholeNumber(element)
		if !isInteger || status < 100 || status > 599 {
			s.invalid(k, element, string(k.kind))
		}
		statuses = append(statuses, int(status))
	}
	return statuses
}
