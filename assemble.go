package main

import (
	"fmt"
	"time"

	"github.com/higress-group/wasm-go/pkg/wrapper"

	"token-fetch/internal/abi"
	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/rules"
	"token-fetch/internal/share"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// This file assembles what serves the requests of each part of the configuration: a mode, the cache behind it, and the
// sources behind that, from the outside in.

func (p *pluginContext) configure(c *config.Config) {
	p.readWall()
	p.scheduler = cache.NewScheduler(p.wake)
	p.rules = rules.NewIndex(c.Conditions())
	p.metricsOf = map[*part]*metrics{}
	shared, parts := map[token.Key]cached{}, map[*config.Named]*part{}
	global := ""
	if len(c.Rules) > 0 {
		global = "global part"
	}
	p.global = p.newMode(newPart(c.Global, global, parts), shared)
	for i, rule := range c.Rules {
		p.modes = append(p.modes, p.newMode(newPart(rule.Part, fmt.Sprintf("rule %d", i+1), parts), shared))
	}
	p.setSavedHeaders(c)
}

// newMode builds what serves the requests of a part. Parts that agree in everything that concerns the token share one
// cache, and the source behind it.
func (p *pluginContext) newMode(part *part, shared map[token.Key]cached) mode {
	if part == nil || !part.Enabled {
		return bypass{}
	}
	if part.Cache == nil {
		p.metricsOf[part] = &p.vm.metrics.forService(part.Service.Address()).metrics
		return uncached{part, p.newSource(part, p.newServiceLog(part), shared)}
	}
	return p.newCached(part, shared)
}

// newCached builds the cache of a part or a named token.
func (p *pluginContext) newCached(part *part, shared map[token.Key]cached) cached {
	service := p.vm.metrics.forService(part.Service.Address())
	p.metricsOf[part] = &service.metrics
	id := part.cacheIdentity()
	m, found := shared[id]
	if !found {
		log := p.newServiceLog(part)
		m = cached{part, log, p.newCache(part, p.newSource(part, log, shared))}
		service.caches = append(service.caches, m.cache)
		shared[id] = m
	}
	m.part = part
	m.log.label.addPart(part.name)
	return m
}

// newSource builds what obtains the tokens of a part, preceded by the named tokens that it refers to.
func (p *pluginContext) newSource(part *part, log *serviceLog, shared map[token.Key]cached) token.Source {
	var source referrer
	if part.Service.IsSigned() {
		source = &signer{part.Service, p, log}
	} else {
		c := newClient(part.Service, p, log)
		p.clients = append(p.clients, c)
		source = c
	}
	if len(part.named) == 0 {
		return source
	}
	linked := &chain{service: part.Service, inner: source, log: log}
	for _, named := range part.named {
		linked.caches = append(linked.caches, p.newCached(named, shared))
	}
	return linked
}

func (p *pluginContext) newServiceLog(part *part) *serviceLog {
	l := newServiceLog(part, p, p.metricsOf[part])
	p.logs = append(p.logs, l)
	return l
}

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
		Clock: p, Identity: part.Identity, Backoff: part.Cache.Backoff, EarliestRenewal: part.Cache.EarliestRenewal, PollSoon: p.pollSoon,
	}
}

// workerGrace is how long after the timeout to keep waiting for another worker's call: that worker notices the timeout
// first, and then records it.
const workerGrace = tickPeriod

// shortestLease gives a busy worker enough time to extend its lease.
const shortestLease = 200 * time.Millisecond
