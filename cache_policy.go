package main

import (
	"time"
)

// cachePolicy is the key cache: how long tokens live and what happens around their end.
type cachePolicy struct {
	ttl           time.Duration // lifetime when the answer names none
	maxTTL        time.Duration // 0: no cap
	expiresInPath string
	refreshBefore time.Duration // negative: a tenth of the lifetime, within bounds
	staleIfError  time.Duration
	backoff       time.Duration
	maxEntries    int
	maxWaiting    int
	invalidateOn  []int
	shared        bool
}

// The default of refreshBefore is a tenth of the lifetime within these bounds.
const (
	minRefreshBefore = time.Second
	maxRefreshBefore = 60 * time.Second
)

// cachePolicy returns nil when every request makes a call of its own, as in the guide's sample.
func (s section) cachePolicy(oauth2 *oauth2) *cachePolicy {
	if !s.has(keyCache) && oauth2 == nil {
		return nil
	}
	cache := s.object(keyCache)
	policy := &cachePolicy{
		ttl:           cache.seconds(keyTTL),
		maxTTL:        cache.seconds(keyMaxTTL),
		expiresInPath: cache.jsonPath(keyExpiresInPath),
		refreshBefore: -1,
		staleIfError:  cache.seconds(keyStaleIfError),
		backoff:       cache.milliseconds(keyBackoff),
		maxEntries:    cache.integer(keyMaxEntries),
		maxWaiting:    cache.integer(keyMaxWaiting),
		invalidateOn:  cache.statuses(keyInvalidateOn),
		shared:        cache.boolean(keyShared),
	}
	if cache.has(keyRefreshBefore) {
		policy.refreshBefore = cache.seconds(keyRefreshBefore)
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

// refreshAfter is when a token of that lifetime is renewed, counted from its
// arrival. One that lives no longer than refreshBefore is not renewed ahead:
// a service that hands out the same nearly expired token would be called again
// and again.
func (p *cachePolicy) refreshAfter(lifetime time.Duration) time.Duration {
	before := p.refreshBefore
	if before < 0 {
		before = min(max(lifetime/10, minRefreshBefore), maxRefreshBefore)
	}
	if lifetime <= before {
		return lifetime
	}
	return lifetime - before
}
