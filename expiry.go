package main

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// expiryGauge shows when a token ends, in seconds since 1970. All workers write to the same gauge of the host, and the
// latest to write wins: so each writes only what is new, and nothing when it has no token in use.
type expiryGauge struct {
	metric  proxywasm.MetricGauge
	written uint64
}

func (g *expiryGauge) write(end time.Time) {
	seconds := uint64(max(end.Unix(), 0))
	if !end.IsZero() && seconds != g.written {
		// The SDK can only add to a gauge; what sets one is the host function that records a histogram's value.
		proxywasm.MetricHistogram(g.metric).Record(seconds)
		g.written = seconds
	}
}

// writeExpiry shows which of the tokens in use ends first.
func (v *vmMetrics) writeExpiry(now time.Duration) {
	var earliest time.Time
	for _, s := range v.services {
		var earliestOfService time.Time
		for _, cache := range s.caches {
			if end := cache.EndOfTokenInUse(now); !end.IsZero() {
				earliestOfService = earlier(earliestOfService, end)
				earliest = earlier(earliest, end)
			}
		}
		s.expiry.write(earliestOfService)
	}
	v.expiry.write(earliest)
}

// earlier of two times, where the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
