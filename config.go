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

// This file turns the configuration into the objects that serve requests.

// part is a part of the configuration, as used for requests. A named token is a part without requests.
type part struct {
	*config.Part
	name    string    // for log lines; empty: it is the only part
	named   []*part   // tokens that its calls refer to, in the order of the service's Links
	cacheID token.Key // cached result of cacheIdentity

	callerHeaders []callerHeader
	rereadHeaders []string
}

// newPart returns nil for a part that is not configured. parts are those of named tokens, which thousands of rules may
// share.
func newPart(configured *config.Part, name string, parts map[*config.Named]*part) *part {
	if configured == nil {
		return nil
	}
	p := &part{Part: configured, name: name, callerHeaders: callerHeaders(configured.Service), rereadHeaders: rereadHeaders(configured.Service, configured.Overwrite)}
	for _, named := range configured.Named {
		if parts[named] == nil {
			ofToken := &config.Part{Source: named.Source, Enabled: true, Overwrite: true, Failure: configured.Failure}
			parts[named] = newPart(ofToken, "token "+named.Name, parts)
		}
		p.named = append(p.named, parts[named])
	}
	return p
}

// hostGrace is how long after its timeout a call is given up on if the host has not called back.
const hostGrace = tickPeriod * 10

// workerGrace is how long after the timeout to keep waiting for another worker's call: that worker notices the timeout
// first, and then records it.
const workerGrace = tickPeriod

// newCache builds the cache of the source's tokens. If they are shared with other workers or gateways, it asks those
// first.
func (p *pluginContext) newCache(part *part, source token.Source) *cache.Cache {
	deps := cache.Deps{
		Clock: p, Scheduler: p.scheduler, Memory: &p.vm.memory, Stats: &p.metricsOf[part].cache,
		OnPanic: func(cause any) { logPanic(p, cause) },
	}
	source = p.shareByWorkers(part, p.shareByGateways(part, source))
	var c *cache.Cache
	if part.Service.DependsOnCaller() {
		c = cache.NewPerCaller(&part.Cache.Policy, source, deps)
	} else {
		c = cache.New(&part.Cache.Policy, source, deps)
	}
	p.caches = append(p.caches, c)
	return c
}

// shareByGateways shares the tokens with other gateways through Redis. Only main-redis.wasm can; the linker drops this
// code from main.wasm.
func (p *pluginContext) shareByGateways(part *part, inner token.Source) token.Source {
	redis := part.Cache.Redis
	if !abi.HasRedis || redis == nil {
		return inner
	}
	cluster := wrapper.FQDNCluster{FQDN: redis.ServiceName, Port: int64(redis.ServicePort)}
	store := &share.Redis{
		Scripts: &share.Client{Host: redisHost{p}, Cluster: cluster.ClusterName(), Connection: redis.Connection},
		Clock:   p, Prefix: redis.KeyPrefix, Sealer: redis.Sealer,
		Log:    p.redisLogFor(fmt.Sprintf("%s:%d", redis.ServiceName, redis.ServicePort)),
		Values: len(part.Service.Protected), IsHeaderValue: tokenservice.IsHeaderValue,
	}
	timeout := part.Service.MaxFetchTime()
	options := p.shareOptions(part)
	options.Lease = max(timeout/2, shortestLease)
	options.FetchTimeout, options.PeerTimeout = timeout, timeout
	options.PollInterval = 5 * pollPeriod
	shared := share.New(store, inner, options)
	p.shares = append(p.shares, shared)
	return shared
}

// shareByWorkers shares the tokens with the gateway's other workers through its shared data.
func (p *pluginContext) shareByWorkers(part *part, inner token.Source) token.Source {
	if !part.Cache.Shared {
		return inner
	}
	values := len(part.Service.Protected)
	store := share.NewSharedData(p, p, values)
	if part.Service.DependsOnCaller() {
		store = share.NewPerCallerSharedData(p, p, values, part.Cache.MaxEntries)
	}
	timeout := part.Service.MaxFetchTime()
	options := p.shareOptions(part)
	options.IsSynchronous = true
	options.Lease, options.FetchTimeout = timeout+workerGrace, timeout
	if gateways, ok := inner.(*share.Source); ok {
		options.FetchTimeout = gateways.MaxFetchTime()
	}
	options.PeerTimeout = options.FetchTimeout + workerGrace
	options.PollInterval = pollPeriod
	shared := share.New(store, inner, options)
	p.shares = append(p.shares, shared)
	p.workerShares = append(p.workerShares, shared)
	return shared
}

func (p *pluginContext) shareOptions(part *part) share.Options {
	return share.Options{
		Clock: p, Identity: part.Identity, Backoff: part.Cache.Backoff, EarliestRenewal: part.Cache.EarliestRenewal, Wake: p.pollSoon,
	}
}

// shortestLease gives a busy worker enough time to extend its lease.
const shortestLease = 200 * time.Millisecond

// cacheIdentity distinguishes parts that can't share a cache in the VM: they have other tokens, or cache them
// differently.
func (p *part) cacheIdentity() token.Key {
	if p.cacheID != (token.Key{}) {
		return p.cacheID // thousands of rules may share a named token
	}
	h := schema.NewHasher()
	h.Add(string(p.Identity[:]), fmt.Sprintf("%+v", p.Cache.Policy), fmt.Sprintf("%v %q %v", p.Cache.InvalidateOn, p.Cache.InvalidateWhen, p.Cache.Shared),
		p.Cache.Redis.Identity(), fmt.Sprint(p.Service.Retries, p.Service.Timeout, p.Service.TraceHeaders()))
	for _, named := range p.named {
		id := named.cacheIdentity()
		h.Add(string(id[:]))
	}
	p.cacheID = h.Sum()
	return p.cacheID
}
