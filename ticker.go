package main

import (
	"slices"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/cache"
)

// This file is what a plugin context does outside of requests: it begins fetches, tells waiting
// requests what became of theirs, and looks after the caches.

const (
	// tickPeriod is how often a plugin context looks after its tokens and metrics.
	tickPeriod = 100 * time.Millisecond
	// turnPeriod is the time between two turns while there is a backlog. A timer lets the worker serve other
	// requests in between, which a queue does not: Envoy runs what is posted to a worker before it reads
	// from connections again.
	turnPeriod = time.Millisecond
	// watchPeriod is how often it looks whether another worker's token call has ended that requests wait for.
	watchPeriod = 4 * time.Millisecond
)

// wake has OnQueueReady run right after the callback that is being run. What a request dispatches
// itself is lost when its client goes away, and the next tick is up to 100 ms off: but it comes, should
// the queue fail. The timer can't be set here, as the host would take it for the request's own.
func (p *pluginContext) wake() { p.queue.wake() }

// OnQueueReady runs after wake.
func (p *pluginContext) OnQueueReady(queue uint32) {
	defer p.logPanic()
	_, _ = proxywasm.DequeueSharedQueue(queue)
	p.Monotonic()
	p.turn()
}

// OnTick runs every tickPeriod, or more often while there is a backlog or another worker to wait for.
func (p *pluginContext) OnTick() {
	defer p.logPanic()
	now := p.Monotonic()
	if p.period == tickPeriod || now >= p.tickedAt+tickPeriod {
		p.tickedAt = now
		p.lookAfter(now)
	}
	if now >= p.watchedAt+watchPeriod {
		p.watchedAt = now
		p.watch()
	}
	p.turn()
}

func (p *pluginContext) watch() {
	defer p.logPanic()
	p.backlog.Watch()
	p.tickFleets(p.now)
}

// tickFleets has the fleets do together what one callback can do, those first whose turn was the longest ago.
func (p *pluginContext) tickFleets(now time.Duration) {
	left := cache.TurnSize
	for range p.fleets {
		first := p.fleets[0]
		p.fleets = append(p.fleets[1:], first)
		if left = first.Tick(now, left); left <= 0 {
			return
		}
	}
}

func (p *pluginContext) lookAfter(now time.Duration) {
	defer p.logPanic() // the requests that wait must be told all the same
	wall := p.Wall()
	for _, cache := range p.caches {
		cache.Tick(now, wall)
	}
	for _, c := range p.clients {
		c.tick()
	}
	p.vm.metrics.flush(now)
}

// turn works off a part of the backlog.
func (p *pluginContext) turn() {
	more := p.backlog.Turn()
	// What was told went to other contexts; the timer is this one's.
	_ = proxywasm.SetEffectiveContext(p.id)
	switch {
	case more:
		p.tickEvery(turnPeriod)
	case p.backlog.IsWatching() || slices.ContainsFunc(p.fleets, fleetFetcher.IsWaiting):
		p.tickEvery(watchPeriod)
	default:
		p.tickEvery(tickPeriod)
	}
}

func (p *pluginContext) tickEvery(period time.Duration) {
	if period == p.period {
		return
	}
	p.period = period
	if err := setTickPeriod(period); err != nil {
		p.logf(logError, "the timer can't be set: %v", err)
	}
}

func setTickPeriod(period time.Duration) error {
	return proxywasm.SetTickPeriodMilliSeconds(uint32(period.Milliseconds())) //nolint:gosec // one of a few constants
}
