package main

import (
	"errors"
	"os"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/tokencache"
)

// pluginContext is one configuration of the plugin in one worker: Envoy's root
// context. It stands around the wrapper's, which parses the configuration for the
// tools of wasm-go and keeps the plugin's id for the log.
type pluginContext struct {
	types.PluginContext

	id         uint32
	vm         *vmContext
	config     *config
	targets    []*target // of the global part (nil without one), then of the rules
	callsAlone bool      // some of them have requests that make calls of their own
	caches     []*tokencache.Cache
	backlog    *tokencache.Backlog // of the caches
	metrics    *metrics
	unused     []*requestContext // for new requests, so that one with a cached token allocates nothing
	// now is the monotonic clock as it was read last, at most a tick ago: exact
	// enough for tokens that are far from their end, and free.
	now       time.Duration
	ticksFast bool
	tickedAt  time.Duration // when the caches were looked after last
	queue     sharedQueue   // by which a request wakes this context
	keepRoute bool          // changed headers would make the gateway choose the route again
	// xdsAttributes: the route's and cluster's names are attributes below xds.
	xdsAttributes bool
}

// target is what serves the requests of one scope.
type target struct {
	scope  *scope
	client *client
	cache  *tokencache.Cache // nil: every request makes its own call
}

func (p *pluginContext) OnPluginStart(size int) (status types.OnPluginStartStatus) {
	defer func() {
		if cause := recover(); cause != nil {
			logPanic(p, cause)
			status = types.OnPluginStartStatusFailed
		}
	}()
	data, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
		p.logf(logError, "the plugin does not start: reading its configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	// Before the wrapper sees it: that one logs a configuration that is not JSON,
	// and goes on without a global part that has an error.
	p.config, err = parseConfig(data, os.LookupEnv)
	if err != nil {
		p.logf(logError, "the plugin does not start: %v", err)
		return types.OnPluginStartStatusFailed
	}
	if !p.PluginContext.OnPluginStart(size) {
		return types.OnPluginStartStatusFailed
	}
	for _, warning := range p.config.warnings {
		p.logf(logWarn, "%s", warning)
	}
	return p.start()
}

func (p *pluginContext) start() types.OnPluginStartStatus {
	p.metrics.define()
	p.makeTargets()
	p.keepRoute = p.config.rules.dependOnRoute() && isHigress()
	if len(p.caches) > 0 {
		p.queue = p.vm.queues.take(p)
	}
	p.Monotonic()
	if err := setTickPeriod(tickPeriod); err != nil {
		p.logf(logError, "the plugin does not start: no timer: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) makeTargets() {
	p.backlog = tokencache.NewBacklog(p.wake)
	shared := map[identity]*target{}
	p.targets = append(p.targets, p.newTarget(p.config.global, shared))
	for _, rule := range p.config.rules {
		p.targets = append(p.targets, p.newTarget(rule.scope, shared))
	}
}

// newTarget returns nil for a scope whose requests are left alone. Rules that agree in
// all that concerns the token share one cache, and the client that makes its calls.
func (p *pluginContext) newTarget(s *scope, shared map[identity]*target) *target {
	if s == nil || !s.enabled {
		return nil
	}
	t := &target{scope: s, client: newClient(s, p, p.metrics)}
	if s.cache == nil {
		p.callsAlone = true
		return t
	}
	id := s.policyIdentity()
	if first := shared[id]; first != nil {
		t.client, t.cache = first.client, first.cache
		return t
	}
	t.cache = p.newCache(t)
	p.caches = append(p.caches, t.cache)
	shared[id] = t
	return t
}

func (p *pluginContext) newCache(t *target) *tokencache.Cache {
	worker := tokencache.Worker{
		Clock: p, Backlog: p.backlog, Memory: &p.vm.memory, Stats: &p.metrics.cache,
		OnPanic: func(cause any) { logPanic(p, cause) },
	}
	policy := t.scope.cache.Policy
	policy.Values, policy.Timeout = len(t.scope.protected), t.scope.call.timeout+hostGrace
	switch {
	case t.scope.dependsOnCaller():
		return tokencache.NewPerCaller(&policy, t.client, worker)
	case t.scope.cache.shared:
		return tokencache.New(&policy, t.client, worker, p, tokencache.Key(t.scope.identity))
	default:
		return tokencache.New(&policy, t.client, worker, nil, tokencache.Key{})
	}
}

// isHigress tells the Higress host by a function that no other has.
func isHigress() bool {
	_, err := proxywasm.CallForeignFunction("get_log_level", nil)
	return err == nil
}

func (p *pluginContext) NewHttpContext(id uint32) types.HttpContext { return p.newRequest(id) }

func (p *pluginContext) newRequest(id uint32) *requestContext {
	last := len(p.unused) - 1
	if last < 0 {
		return &requestContext{plugin: p, id: id}
	}
	r := p.unused[last]
	p.unused = p.unused[:last]
	*r = requestContext{plugin: p, id: id}
	return r
}

// maxUnused limits what a peak of parallel requests leaves behind.
const maxUnused = 1024

// reuse takes a request that the host has deleted. A call may still refer to one that
// was paused.
func (p *pluginContext) reuse(r *requestContext) {
	if !r.wasPaused && len(p.unused) < maxUnused {
		p.unused = append(p.unused, r)
	}
}

// close is called when the host deletes the context: a replaced configuration must leave no
// timer and no memory behind in the VM that its successor goes on to use.
func (p *pluginContext) close() {
	_ = setTickPeriod(0)
	p.metrics.flush()
	p.vm.queues.giveBack(p.queue)
	for _, cache := range p.caches {
		cache.Close()
	}
}

func (p *pluginContext) logPanic() {
	if cause := recover(); cause != nil {
		logPanic(p, cause)
	}
}
