package main

import (
	"testing"
	"time"

	"github.com/higress-group/wasm-go/pkg/test"

	"token-fetch/internal/cache"
)

// fakeShare has so much to do.
type fakeShare struct{ due, ticks int }

func (f *fakeShare) IsWaiting() bool { return f.due > 0 }

func (f *fakeShare) Tick(_ time.Duration, most int) (left int) {
	f.ticks++
	did := min(f.due, most)
	f.due -= did
	return most - did
}

// A configuration may have a thousand rules that share tokens: all together do no more in a callback than one.
func TestThoseThatShareTokensShareACallback(t *testing.T) {
	p := &pluginContext{}
	var sharers []*fakeShare
	for range 1000 {
		f := &fakeShare{due: 2}
		sharers = append(sharers, f)
		p.shares = append(p.shares, f)
	}
	due := func() (n int) {
		for _, f := range sharers {
			n += f.due
		}
		return n
	}
	for callback := 0; due() > 0; callback++ {
		before := due()
		p.pollShares()
		if did := before - due(); did == 0 || did > cache.BatchSize {
			t.Fatalf("callback %d: got %d done, expected 1 to %d", callback, did, cache.BatchSize)
		}
	}
	for number, f := range sharers {
		if f.ticks > 2 {
			t.Errorf("number %d: got %d ticks for 2 things to do, expected at most 2", number, f.ticks)
		}
	}
	if len(p.shares) != len(sharers) {
		t.Errorf("got %d, expected %d", len(p.shares), len(sharers))
	}
}

// Setting the timer restarts it: answers that arrive more often than its period must not postpone the tick forever, because
// metrics, renewals and cleanup depend on it.
func TestAnswersDoNotPutOffTheTick(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		_, p := newPlugin(t, frugal)
		p.period = tickPeriod
		for range 3 {
			p.runCallback(func() { p.wake() })
			if p.period != tickPeriod {
				t.Errorf("after an answer with nothing left to do: the timer was set to %s", p.period)
			}
		}
		p.wake() // by a request
		if p.period != batchPeriod {
			t.Errorf("after a request that left something to do: got a timer of %s, expected %s", p.period, batchPeriod)
		}
		p.runCallback(func() {})
		if p.period != batchPeriod {
			t.Errorf("after another answer: got a timer of %s, expected that it stays %s", p.period, batchPeriod)
		}
		p.OnTick()
		if p.period != tickPeriod {
			t.Errorf("after the tick: got a timer of %s, expected %s", p.period, tickPeriod)
		}
	})
}
