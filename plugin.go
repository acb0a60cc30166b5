package main

import (
	"errors"
	"os"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

// tickPeriod is how often a plugin context looks after its tokens and metrics.
const tickPeriod = 100 * time.Millisecond

// pluginContext is one configuration of the plugin in one worker: Envoy's root
// context. It stands around the wrapper's, which parses the configuration for the
// tools of wasm-go and keeps the plugin's id for the log.
type pluginContext struct {
	types.PluginContext

	id         uint32
	config     *config
	targets    []*target // of the global part (nil without one), then of the rules
	callsAlone bool      // some of them have requests that make calls of their own
	sources    []*tokenSource
	metrics    *metrics
	unused     []*requestContext // for new requests, so that one with a cached token allocates nothing
	// now is the monotonic clock as it was read last, at most a tick ago: exact
	// enough for tokens that are far from their end, and free.
	now       time.Duration
	queue     uint32 // shared queue by which a request wakes this context
	hasQueue  bool
	keepRoute bool // changed headers would make the gateway choose the route again
	// xdsAttributes: the route's and cluster's names are attributes below xds.
	xdsAttributes bool
}

// target is what serves the requests of one scope.
type target struct {
	scope  *scope
	client *client
	source *tokenSource // nil: every request makes its own call
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
	p.registerQueue()
	p.monotonic()
	if err := proxywasm.SetTickPeriodMilliSeconds(uint32(tickPeriod.Milliseconds())); err != nil {
		p.logf(logError, "the plugin does not start: no timer: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) makeTargets() {
	shared := map[identity]*tokenSource{}
	p.targets = append(p.targets, p.newTarget(p.config.global, shared))
	for _, rule := range p.config.rules {
		p.targets = append(p.targets, p.newTarget(rule.scope, shared))
	}
}

// newTarget returns nil for a scope whose requests are left alone. Rules that agree in
// all that concerns the token share one source.
func (p *pluginContext) newTarget(s *scope, shared map[identity]*tokenSource) *target {
	if s == nil || !s.enabled {
		return nil
	}
	t := &target{scope: s, client: newClient(s, p, p.metrics)}
	if s.cache == nil {
		p.callsAlone = true
		return t
	}
	id := s.policyIdentity()
	if shared[id] == nil {
		shared[id] = newTokenSource(t.client)
		p.sources = append(p.sources, shared[id])
	}
	t.source = shared[id]
	return t
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

// OnTick runs every tickPeriod, in the worker's thread.
func (p *pluginContext) OnTick() {
	defer p.logPanic()
	now := p.monotonic()
	for _, source := range p.sources {
		source.tick(now)
	}
	p.metrics.flush()
}

// OnQueueReady runs right after the request that called wakeRoot has been paused.
func (p *pluginContext) OnQueueReady(queue uint32) {
	defer p.logPanic()
	_, _ = proxywasm.DequeueSharedQueue(queue)
	for _, source := range p.sources {
		source.startCalls()
	}
}

func (p *pluginContext) logPanic() {
	if cause := recover(); cause != nil {
		logPanic(p, cause)
	}
}
