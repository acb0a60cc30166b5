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
	// batchPeriod is the time between two batches while there is work. In between, the worker serves other requests.
	batchPeriod = time.Millisecond
	// pollPeriod is how often it looks whether another worker's token call has ended that requests wait for.
	pollPeriod = 4 * time.Millisecond
)

// wake has the next batch run soon, for what a request has left to do. Ticks and answers run a batch themselves at their end.
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

// pollSoon has watch run soon.
func (p *pluginContext) pollSoon() {
	if p.period > pollPeriod {
		p.tickEvery(pollPeriod)
	}
}

// pollable is a *share.Source.
type pollable interface {
	Tick(now time.Duration, most int) (left int)
	IsWaiting() bool
}

// pollShares has those that share tokens do together what one callback can do, beginning with those whose turn was the longest
// ago.
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
	defer p.logPanic() // the requests that wait must be told all the same
	wall := p.Wall()
	for _, cache := range p.caches {
		cache.Tick(now, wall)
	}
	for _, c := range p.clients {
		c.tick()
	}
	p.missing.tick(p)
	p.vm.metrics.flush(now)
}

// runBatch does a part of what there is to do, and returns how soon there is more.
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

// answer has an answer taken, and a batch run after it.
func (p *pluginContext) runCallback(handle func()) {
	defer p.logPanic()
	p.runsBatch = true
	defer func() { p.runsBatch = false }()
	handle()
	p.tickWithin(p.runBatch())
}

// tickWithin has the next tick come no later than that. It is for a tick alone to make the period longer: setting the timer
// begins it anew, and if each answer did so, no tick would ever come.
func (p *pluginContext) tickWithin(period time.Duration) {
	if period < p.period {
		p.tickEvery(period)
	}
}

// tickEvery sets the timer, which is the root context's whichever context runs.
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
