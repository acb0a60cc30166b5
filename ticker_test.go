package main

import (
	"testing"
	"time"

	"token-fetch/internal/cache"
)

// fakeFleet has so much to do.
type fakeFleet struct{ due, ticks int }

func (f *fakeFleet) IsWaiting() bool { return f.due > 0 }

func (f *fakeFleet) Tick(_ time.Duration, most int) (left int) {
	f.ticks++
	did := min(f.due, most)
	f.due -= did
	return most - did
}

// A configuration may have a thousand rules with a fleet each: all together do no more in a callback than one.
func TestFleetsShareACallback(t *testing.T) {
	p := &pluginContext{}
	var fleets []*fakeFleet
	for range 1000 {
		f := &fakeFleet{due: 2}
		fleets = append(fleets, f)
		p.fleets = append(p.fleets, f)
	}
	due := func() (n int) {
		for _, f := range fleets {
			n += f.due
		}
		return n
	}
	for callback := 0; due() > 0; callback++ {
		before := due()
		p.tickFleets(time.Hour)
		if did := before - due(); did == 0 || did > cache.BatchSize {
			t.Fatalf("callback %d: got %d done, expected 1 to %d", callback, did, cache.BatchSize)
		}
	}
	for number, f := range fleets {
		if more := f.ticks - fleets[0].ticks; more < -1 || more > 1 {
			t.Errorf("fleet %d: got %d ticks, expected as many as the first, %d, or one more or less", number, f.ticks, fleets[0].ticks)
		}
	}
	if len(p.fleets) != len(fleets) {
		t.Errorf("got %d fleets, expected %d", len(p.fleets), len(fleets))
	}
}
