package main

import (
	"fmt"
	"time"

	"github.com/higress-group/wasm-go/pkg/wrapper"

	"token-fetch/internal/abi"
	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// This file is how what is configured becomes what runs.

// part is a part of the configuration as requests meet it.
type part struct {
	name      string   // for log lines; empty: there is no other
	enabled   bool     // false: its requests are left alone
	overwrite bool     // false: a client's own token header goes on upstream
	bypass    []string // methods whose requests are left alone but for the protected headers
	service   *tokenservice.Service
	cache     *cachePolicy // nil: a token call for every request
	failure   failurePolicy
	challenge string    // of a 401, but for the error
	identity  token.Key // of what its tokens depend on
	named     []*part   // tokens that its calls refer to, in the order of the service's Links
	cacheID   token.Key // of cacheIdentity, once it has been asked for

	callerHeaders []callerHeader
	rereadHeaders []string
}

// cachePolicy is how the tokens of a part are kept.
type cachePolicy struct {
	cache.Policy
	invalidateOn   []int              // statuses of the upstream that reject a token; of a named one, those of calls made with it
	invalidateWhen []config.Rejection // other answers that do
	shared         bool               // by the workers of the gateway
	redis          *share.RedisConfig // of the gateways that share tokens; nil: this one is by itself
}

// newPart is nil for a part that is not there. made are the parts of named tokens, which rules by the thousand share.
func newPart(of *config.Part, name string, made map[*config.Named]*part) *part {
	if of == nil {
		return nil
	}
	p := newSourcePart(&of.Source, name, failurePolicy(of.Failure), made)
	p.enabled, p.overwrite, p.bypass, p.challenge = of.Enabled, of.Overwrite, of.BypassMethods, of.Challenge
	p.callerHeaders = callerHeaders(of.Service)
	p.rereadHeaders = rereadHeaders(of.Service, of.Overwrite)
	return p
}

// newSourcePart is what a part has in common with a named token, which is a part without requests.
func newSourcePart(of *config.Source, name string, failure failurePolicy, made map[*config.Named]*part) *part {
	p := &part{name: name, enabled: true, service: of.Service, cache: newCachePolicy(of.Cache), failure: failure, identity: of.Identity}
	for _, named := range of.Named {
		if made[named] == nil {
			made[named] = newSourcePart(&named.Source, "token "+named.Name, failure, made)
		}
		p.named = append(p.named, made[named])
	}
	return p
}

// hostGrace is how much later than its timeout a call is given up that the host
// has not answered at all.
const hostGrace = tickPeriod * 10

// workerGrace is how much later than its timeout another worker's call is waited for: that worker hears of the
// timeout first, and then tells the others.
const workerGrace = tickPeriod

func newCachePolicy(of *config.Cache) *cachePolicy {
	if of == nil {
		return nil
	}
	return &cachePolicy{of.Policy, of.InvalidateOn, of.InvalidateWhen, of.Shared, of.Redis}
}

// newCache keeps the tokens that a source fetches. Where they are shared, by the workers of this gateway or by the
// gateways of a fleet, it asks those first.
func (p *pluginContext) newCache(of *part, source token.Source) *cache.Cache {
	worker := cache.Deps{
		Clock: p, Scheduler: p.scheduler, Memory: &p.vm.memory, Stats: &p.metricsOf[of].cache,
		OnPanic: func(cause any) { logPanic(p, cause) },
	}
	source = p.shareByWorkers(of, p.shareByGateways(of, source))
	var made *cache.Cache
	if of.service.DependsOnCaller() {
		made = cache.NewPerCaller(&of.cache.Policy, source, worker)
	} else {
		made = cache.New(&of.cache.Policy, source, worker)
	}
	p.caches = append(p.caches, made)
	return made
}

// shareByGateways has the gateways of a fleet share the tokens through Redis. Only main-redis.wasm can, and the linker leaves
// out of main.wasm what nothing there refers to.
func (p *pluginContext) shareByGateways(of *part, inside token.Source) token.Source {
	redis := of.cache.redis
	if !abi.HasRedis || redis == nil {
		return inside
	}
	at := wrapper.FQDNCluster{FQDN: redis.ServiceName, Port: int64(redis.ServicePort)}
	store := &share.Redis{
		Scripts: &share.Client{Host: redisHost{p}, Cluster: at.ClusterName(), Connection: redis.Connection},
		Clock:   p, Prefix: redis.KeyPrefix, Sealer: redis.Sealer,
		Log:    p.redisLogOf(fmt.Sprintf("%s:%d", redis.ServiceName, redis.ServicePort)),
		Values: len(of.service.Protected), IsHeaderValue: tokenservice.IsHeaderValue,
	}
	timeout := of.service.MaxFetchTime()
	options := p.shareOptions(of)
	options.Lease = max(timeout/2, shortestLease)
	options.FetchTimeout, options.PeerTimeout = timeout, timeout
	options.PollInterval = 5 * watchPeriod
	shared := share.New(store, inside, options)
	p.shares = append(p.shares, shared)
	return shared
}

// shareByWorkers has the workers of the gateway share the tokens through its shared data.
func (p *pluginContext) shareByWorkers(of *part, inside token.Source) token.Source {
	if !of.cache.shared {
		return inside
	}
	values := len(of.service.Protected)
	store := share.NewSharedData(p, p, values)
	if of.service.DependsOnCaller() {
		store = share.NewPerCallerSharedData(p, p, values, of.cache.MaxEntries)
	}
	timeout := of.service.MaxFetchTime()
	options := p.shareOptions(of)
	options.IsSynchronous = true
	options.Lease, options.FetchTimeout = timeout+workerGrace, timeout
	if gateways, ok := inside.(*share.Source); ok {
		options.FetchTimeout = gateways.MaxFetchTime()
	}
	options.PeerTimeout = options.FetchTimeout + workerGrace
	options.PollInterval = watchPeriod
	shared := share.New(store, inside, options)
	p.shares = append(p.shares, shared)
	p.ofWorkers = append(p.ofWorkers, shared)
	return shared
}

func (p *pluginContext) shareOptions(of *part) share.Options {
	return share.Options{
		Clock: p, Identity: of.identity, Backoff: of.cache.Backoff, EarliestRenewal: of.cache.EarliestRenewal, Wake: p.watchSoon,
	}
}

// shortestLease is enough for a worker that is busy to extend it.
const shortestLease = 200 * time.Millisecond

// cacheIdentity tells apart parts that can't share a cache in the VM: other tokens, or kept in another way.
func (p *part) cacheIdentity() token.Key {
	if p.cacheID != (token.Key{}) {
		return p.cacheID // rules by the thousand share a named token
	}
	h := schema.NewHasher()
	h.Add(string(p.identity[:]), fmt.Sprintf("%+v", p.cache.Policy), fmt.Sprintf("%v %q %v", p.cache.invalidateOn, p.cache.invalidateWhen, p.cache.shared),
		p.cache.redis.Identity(), fmt.Sprint(p.service.Retries, p.service.Timeout, p.service.TraceHeaders()))
	for _, named := range p.named {
		id := named.cacheIdentity()
		h.Add(string(id[:]))
	}
	p.cacheID = h.Sum()
	return p.cacheID
}
