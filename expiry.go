package main

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// expiryGauge shows when a token expires, in seconds since 1970. All workers share one gauge of the host, and the last
// write wins: so each worker only writes changes, and nothing if it has no token in use.
type expiryGauge struct {
	metric  proxywasm.MetricGauge
	written uint64
}

func (g *expiryGauge) write(end time.Time) {
	seconds := uint64(max(end.Unix(), 0))
	if !end.IsZero() && seconds != g.written {
		// The SDK can only add to a gauge. Recording a histogram value uses the host function that sets one.
		proxywasm.MetricHistogram(g.metric).Record(seconds)
		g.written = seconds
	}
}

// writeExpiry shows the earliest expiry of the tokens in use.
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

// earlier returns the earlier of two times; the zero time means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
