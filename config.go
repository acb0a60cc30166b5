package main

import (
	"fmt"

	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/fleet"
	"token-fetch/internal/schema"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// This file is how what is configured becomes what runs.

// part is a part of the configuration as requests meet it.
type part struct {
	enabled   bool     // false: its requests are left alone
	overwrite bool     // false: a client's own token header goes on upstream
	bypass    []string // methods whose requests are left alone but for the protected headers
	service   *tokenservice.Service
	cache     *cachePolicy // nil: a token call for every request
	failure   failurePolicy
	identity  token.Key // of what its tokens depend on

	callerHeaders []callerHeader
}

// cachePolicy is how the tokens of a part are kept.
type cachePolicy struct {
	cache.Policy
	invalidateOn   []int              // statuses of the upstream that reject a token
	invalidateWhen []config.Rejection // other answers that do
	shared         bool               // by the workers of the gateway
	redis          *fleet.Config      // of the gateways that share tokens; nil: this one is by itself
}

// newPart is nil for a part that is not there.
func newPart(of *config.Part) *part {
	if of == nil {
		return nil
	}
	return &part{
		enabled: of.Enabled, overwrite: of.Overwrite, bypass: of.BypassMethods, service: of.Service,
		cache: newCachePolicy(of.Cache, of.Service), failure: failurePolicy(of.Failure), identity: of.Identity,
		callerHeaders: callerHeaders(of.Service),
	}
}

// hostGrace is how much later than its timeout a call is given up that the host
// has not answered at all.
const hostGrace = tickPeriod * 10

// workerGrace is how much later than its timeout another worker's call is waited for: that worker hears of the
// timeout first, and then tells the others.
const workerGrace = tickPeriod

// newCachePolicy completes what is configured by what follows from the token call.
func newCachePolicy(of *config.Cache, service *tokenservice.Service) *cachePolicy {
	if of == nil {
		return nil
	}
	policy := &cachePolicy{of.Policy, of.InvalidateOn, of.InvalidateWhen, of.Shared, of.Redis}
	policy.Values = len(service.Protected)
	policy.Timeout = service.Timeout + hostGrace
	policy.Patience = service.Timeout + workerGrace
	if policy.redis != nil {
		policy.Patience = fleet.MaxWait(service.Timeout) + workerGrace
		policy.Timeout = fleet.MaxWait(service.Timeout) + hostGrace
	}
	return policy
}

// cacheIdentity tells apart parts that can't share a cache in the VM: other tokens, or kept in another way.
func (p *part) cacheIdentity() token.Key {
	h := schema.NewHasher()
	h.Add(string(p.identity[:]), fmt.Sprintf("%+v", p.cache.Policy), fmt.Sprintf("%v %q %v", p.cache.invalidateOn, p.cache.invalidateWhen, p.cache.shared),
		p.cache.redis.Identity(), fmt.Sprint(p.service.Retries))
	return h.Sum()
}
