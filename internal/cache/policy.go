package cache

import (
	"math"
	"math/rand/v2"
	"time"

	"token-fetch/internal/schema"
)

var (
	keyRefreshBefore = &schema.Key{Name: "refreshBefore", Kind: schema.Integer, Min: 0, Max: schema.MaxSeconds, Identity: true}
	keyStaleIfError  = &schema.Key{Name: "staleIfError", Kind: schema.Integer, Default: 0, Min: 0, Max: schema.MaxSeconds}
	keyBackoff       = &schema.Key{Name: "backoff", Kind: schema.Integer, Default: 1000, Min: 1, Max: 30000}
	keyMaxEntries    = &schema.Key{Name: "maxEntries", Kind: schema.Integer, Default: 1024, Min: 1, Max: 100000}
	keyMaxWaiting    = &schema.Key{Name: "maxWaiting", Kind: schema.Integer, Default: 10000, Min: 1, Max: math.MaxInt32}
)

// Keys are the keys of the object cache that define the Policy.
var Keys = []*schema.Key{keyRefreshBefore, keyStaleIfError, keyBackoff, keyMaxEntries, keyMaxWaiting}

// Policy is how long tokens are kept, and when they are fetched again.
type Policy struct {
	RefreshBefore time.Duration // before a token's end; negative: defaultRefreshBefore of its lifetime
	StaleIfError  time.Duration // how long after its end a token may serve while the service is unavailable
	Backoff       time.Duration // first wait after a failed fetch
	MaxEntries    int           // callers whose tokens are kept
	MaxWaiting    int           // requests that may wait for one fetch
	WarmUp        bool          // fetch the common token before any request
}

// ReadPolicy reads Keys; the caller sets WarmUp. Errors show in the section's Err.
func ReadPolicy(cache schema.Section) Policy {
	p := Policy{
		RefreshBefore: -1,
		StaleIfError:  cache.Seconds(keyStaleIfError),
		Backoff:       cache.Milliseconds(keyBackoff),
		MaxEntries:    cache.Int(keyMaxEntries),
		MaxWaiting:    cache.Int(keyMaxWaiting),
	}
	if cache.Has(keyRefreshBefore) {
		p.RefreshBefore = cache.Seconds(keyRefreshBefore)
	}
	return p
}

// defaultRefreshBefore is a tenth of the lifetime, within bounds.
func defaultRefreshBefore(lifetime time.Duration) time.Duration {
	const least, most = time.Second, 60 * time.Second
	return min(max(lifetime/10, least), most)
}

// EarliestRenewal is how long before its end a token with that lifetime may be renewed; zero: it is not renewed.
func (p *Policy) EarliestRenewal(lifetime time.Duration) time.Duration {
	before, spread := p.renewal(lifetime)
	return before + spread
}

// dueAfter is the age at which a token with that lifetime is renewed. It is earlier than the policy says, by up to
// a fifth at random, so that gateways that started together do not renew in step.
func (p *Policy) dueAfter(lifetime time.Duration) time.Duration {
	before, spread := p.renewal(lifetime)
	return lifetime - before - rand.N(spread+1) //nolint:gosec // no secret: it only spreads gateways
}

// renewal returns how long before its end a token with that lifetime is due for renewal: before, plus a random part of
// spread.
//
// Both are 0 for a token whose whole life is that short: it is replaced when it has expired. Otherwise a service that
// keeps returning the same token until it expires would be called over and over.
func (p *Policy) renewal(lifetime time.Duration) (before, spread time.Duration) {
	before = p.RefreshBefore
	if before < 0 {
		before = defaultRefreshBefore(lifetime)
	}
	if lifetime <= before {
		return 0, 0
	}
	return before, min(before/5, (lifetime-before)/2)
}
