package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tidwall/gjson"

	"token-fetch/internal/abi"
	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/tokenservice"
)

// vmContext is the VM. A worker has one for all configurations of the plugin with the same file and environment.
type vmContext struct {
	types.DefaultVMContext
	metrics vmMetrics
	memory  cache.Memory // of the callers of all configurations
	plugins []*pluginContext
}

var _ abi.Contexts = (*vmContext)(nil)

func (v *vmContext) NewPluginContext(id uint32) types.PluginContext {
	p := &pluginContext{id: id, vm: v, metrics: &v.metrics.forService("").metrics}
	v.plugins = append(v.plugins, p)
	return p
}

// NewRequest creates the context of a request.
func (v *vmContext) NewRequest(id, pluginID uint32) abi.Request {
	for _, p := range v.plugins {
		if p.id == pluginID {
			return p.newRequest(id)
		}
	}
	panic("a request of no plugin")
}

// Deleted is called when the host deletes a plugin context.
func (v *vmContext) Deleted(id uint32) {
	v.plugins = slices.DeleteFunc(v.plugins, func(p *pluginContext) bool {
		if p.id == id {
			p.close()
		}
		return p.id == id
	})
}

// pluginContext is one configuration of the plugin in one worker: a root context of Envoy.
type pluginContext struct {
	types.DefaultPluginContext

	id      uint32
	logID   string // the gateway's ID for the plugin in its log; empty: none
	vm      *vmContext
	metrics *metrics // of requests whose part is not known

	metricsOf map[*part]*metrics // by part; parts with the same token service share them

	rules        *rules.Index
	saved        savedHeaders // of requests that match no part
	modes        []mode       // of the rules, in order
	global       mode         // of requests that match no rule
	clients      []*client
	logs         []*serviceLog
	caches       []*cache.Cache
	shares       []pollable // of the caches; nextShare is the next one to poll
	nextShare    int
	workerShares []*share.Source      // those among shares that use shared data
	redisLogs    map[string]*redisLog // by address
	scheduler    *cache.Scheduler     // of the caches
	// keepsRoute: rules depend on the route, which the host would choose again when headers change.
	keepsRoute bool
	// hasXDSAttributes: names of the route and the cluster are attributes below xds, as in stock Envoy since 1.33,
	// rather than separate properties. It is false until a request has shown it.
	hasXDSAttributes bool

	unused   []*requestContext // reused, so that a request with a cached token allocates nothing
	callers  callerBuffer
	response tokenservice.Response // of the token call whose callback runs; reused likewise
	missing  eventLog              // of values that calls refer to
	// unsaved is about attempts of requests whose first attempt has not saved the client's headers.
	unsaved eventLog
	// now is the monotonic clock as of its latest reading, at most one tick ago: free, and precise enough for tokens
	// that are far from expiry.
	now time.Duration
	// wallStart is when the monotonic clock was 0, according to the latest reading of the wall clock.
	wallStart time.Time
	period    time.Duration // of the timer; 0 until it is set
	// isCalling: the host is sending a call. A request that arrives meanwhile is this call, see dispatch.
	isCalling bool
	// runsBatch: the current callback ends with a batch, and sets the timer.
	runsBatch bool
	tickedAt  time.Duration // time of the latest maintain
	// polledAt is the time of the latest pollShares.
	polledAt time.Duration
}

func (p *pluginContext) OnPluginStart(int) (status types.OnPluginStartStatus) {
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
	parsed, err := config.Parse(data, os.LookupEnv, config.Features{Redis: abi.HasRedis})
	if err != nil {
		p.logf(logError, "the plugin does not start: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.logID = gjson.GetBytes(data, "_plugin_id_").String()
	for _, warning := range parsed.Warnings {
		p.logf(logWarn, "%s", warning)
	}
	if status := p.start(parsed); !status {
		return status
	}
	p.logStart(data, len(parsed.Rules))
	return types.OnPluginStartStatusOK
}

// startKey is the key in shared data under which a VM records that it has logged the start.
const startKey = "token_fetch.started"

// logStart logs what has started. The workers and the main thread start one after the other: the first one logs at
// level info, the others at level debug.
func (p *pluginContext) logStart(configuration []byte, rules int) {
	h := schema.NewHasher()
	h.Add(version, string(configuration))
	sum, now := h.Sum(), p.Monotonic()
	level := logInfo
	logged, cas := p.Load(startKey)
	isLogged := len(logged) == len(sum)+8 && bytes.Equal(logged[:len(sum)], sum[:]) &&
		now < time.Duration(binary.BigEndian.Uint64(logged[len(sum):]))+lineInterval //nolint:gosec // as it was written
	if isLogged || !p.CompareAndSwap(startKey, binary.BigEndian.AppendUint64(sum[:], uint64(now)), cas) { //nolint:gosec // not negative
		level = logDebug
	}
	p.logf(level, "version %s starts with %s", version, count(rules, "rule"))
}

func (p *pluginContext) start(c *config.Config) types.OnPluginStartStatus {
	p.configure(c)
	p.vm.metrics.define()
	p.keepsRoute = slices.ContainsFunc(c.Rules, func(r config.Rule) bool { return r.DependsOnRoute() })
	p.period = tickPeriod
	if err := setTickPeriod(tickPeriod); err != nil {
		p.logf(logError, "the plugin does not start: no timer: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
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

// maxUnused limits the memory that a burst of parallel requests leaves behind.
const maxUnused = 1024

// reuse recycles a request that the host has deleted, unless it was paused: a call may still refer to it.
func (p *pluginContext) reuse(r *requestContext) {
	if !r.wasPaused && len(p.unused) < maxUnused {
		p.unused = append(p.unused, r)
	}
}

// close is called when the host deletes the context. A replaced configuration must leave no timer and no memory behind,
// because its successor runs in the same VM.
func (p *pluginContext) close() {
	_ = setTickPeriod(0)
	p.vm.metrics.flush(p.Monotonic())
	p.vm.metrics.forget(p.caches)
	for _, cache := range p.caches {
		cache.Close()
	}
	for _, workers := range p.workerShares {
		workers.Close() // the leases in Redis are short, and lapse once nobody extends them
	}
}

func (p *pluginContext) logPanic() { p.logPanicOf(recover()) }

func (p *pluginContext) logPanicOf(cause any) {
	if cause != nil {
		logPanic(p, cause)
	}
}
