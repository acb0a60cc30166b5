package main

import (
	"slices"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/cache"
)

// This file is what a plugin context does outside requests: it begins fetches, notifies waiting requests, and maintains
// the caches.

const (
	// tickPeriod is how often a plugin context maintains its tokens and metrics.
	tickPeriod = 100 * time.Millisecond
	// batchPeriod is the time between two batches while there is work. In between, the worker serves other requests.
	batchPeriod = time.Millisecond
	// pollPeriod is how often to check for the end of another worker's token call that requests wait for.
	pollPeriod = 4 * time.Millisecond
)

// wake schedules a batch for what a request leaves to do. Ticks and runCallback end with a batch anyway.
func (p *pluginContext) wake() {
	if !p.runsBatch {
		p.tickWithin(batchPeriod)
	}
}

// OnTick runs every tickPeriod, or more often while there is work for a batch, or another worker to wait for.
func (p *pluginContext) OnTick() {
	defer p.logPanic()
	p.runsBatch = true
	defer func() { p.runsBatch = false }()
	now := p.Monotonic()
	if p.period == tickPeriod || now >= p.tickedAt+tickPeriod {
		p.tickedAt = now
		p.maintain(now)
	}
	if now >= p.polledAt+pollPeriod {
		p.polledAt = now
		p.pollShares()
	}
	p.tickEvery(p.runBatch())
}

// pollSoon schedules pollShares.
func (p *pluginContext) pollSoon() {
	if p.period > pollPeriod {
		p.tickEvery(pollPeriod)
	}
}

// pollable is a *share.Source.
type pollable interface {
	Tick(now time.Duration, limit int) (left int)
	IsWaiting() bool
}

// pollShares lets the shared sources do, together, as much as fits into one callback, starting with the one that has
// waited longest.
func (p *pluginContext) pollShares() {
	defer p.logPanic()
	left := cache.BatchSize
	for range p.shares {
		next := p.shares[p.nextShare]
		p.nextShare = (p.nextShare + 1) % len(p.shares)
		if next.IsWaiting() {
			if left = next.Tick(p.now, left); left <= 0 {
				return
			}
		}
	}
}

func (p *pluginContext) maintain(now time.Duration) {
	defer p.logPanic() // waiting requests must be notified regardless
	p.readWall()
	wall := p.Wall()
	for _, cache := range p.caches {
		cache.Tick(now, wall)
	}
	for _, c := range p.clients {
		c.tick()
	}
	for _, l := range p.logs {
		l.tick()
	}
	p.missing.tick(p)
	p.unsaved.tick(p)
	p.vm.metrics.flush(now)
}

// runBatch does some of the pending work, and returns when to continue.
func (p *pluginContext) runBatch() (next time.Duration) {
	switch more := p.scheduler.RunBatch(); {
	case more:
		return batchPeriod
	case slices.ContainsFunc(p.shares, pollable.IsWaiting):
		return pollPeriod
	default:
		return tickPeriod
	}
}

// runCallback handles the result of a host call, then runs a batch.
func (p *pluginContext) runCallback(handle func()) {
	defer p.logPanic()
	p.runsBatch = true
	defer func() { p.runsBatch = false }()
	handle()
	p.tickWithin(p.runBatch())
}

// tickWithin makes the next tick come no later than after period. Only a tick may lengthen the period: setting the
// timer restarts it, and if every response did so, no tick would ever come.
func (p *pluginContext) tickWithin(period time.Duration) {
	if period < p.period {
		p.tickEvery(period)
	}
}

// tickEvery sets the timer. It belongs to the root context, whichever context is active.
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
