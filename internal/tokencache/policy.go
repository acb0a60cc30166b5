package tokencache

import (
	"math/rand/v2"
	"time"
)

// Policy is how tokens are kept and fetched again.
type Policy struct {
	Values        int           // of each token
	RefreshBefore time.Duration // how long before its end a token is renewed; negative: DefaultRefreshBefore of its lifetime
	StaleIfError  time.Duration // how long after its end a token stands in while the token service can't answer
	Backoff       time.Duration // the first wait after a failed fetch
	MaxEntries    int           // callers whose tokens are kept
	MaxWaiting    int           // requests that may wait for one fetch
	Timeout       time.Duration // by which the Fetcher has told the result of a fetch
}

// DefaultRefreshBefore is a tenth of the lifetime, within bounds.
func DefaultRefreshBefore(lifetime time.Duration) time.Duration {
	const least, most = time.Second, 60 * time.Second
	return min(max(lifetime/10, least), most)
}

// refreshAfter is the age at which a token of that lifetime is renewed. The time that is
// left then is up to a fifth longer than the policy says, at random, so that
// gateways that started together do not renew in step.
//
// A token that lives no longer than that is not renewed ahead: a service that hands
// out the same nearly expired token would be called again and again.
func (p *Policy) refreshAfter(lifetime time.Duration) time.Duration {
	before := p.RefreshBefore
	if before < 0 {
		before = DefaultRefreshBefore(lifetime)
	}
	if lifetime <= before {
		return lifetime
	}
	after := lifetime - before
	return after - rand.N(min(before/5, after/2)+1) //nolint:gosec // no secret: it only spreads gateways
}
