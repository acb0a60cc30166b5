package main

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// metricPrefix is put before the names; Envoy puts wasmcustom. before it.
const metricPrefix = "token_fetch."

// metrics are counted in the VM and written to the host by the root context's tick,
// so that they cost a request nothing.
type metrics struct {
	calls, callFailures, refreshes, invalidated    counter
	cacheHits, cacheMisses, coalesced, staleServed counter
	denied, allowedWithoutToken                    counter
	callDuration                                   histogram
}

// counters names them all; a test holds the table in the README against it.
func (m *metrics) counters() []namedCounter {
	return []namedCounter{
		{"calls", &m.calls},
		{"call_failures", &m.callFailures},
		{"cache_hits", &m.cacheHits},
		{"cache_misses", &m.cacheMisses},
		{"coalesced", &m.coalesced},
		{"refreshes", &m.refreshes},
		{"stale_served", &m.staleServed},
		{"invalidated", &m.invalidated},
		{"denied", &m.denied},
		{"allowed_without_token", &m.allowedWithoutToken},
	}
}

const callDurationName = "call_duration_ms"

type namedCounter struct {
	name    string
	counter *counter
}

type counter struct {
	metric proxywasm.MetricCounter
	total  uint64
	told   uint64 // of total, to the host
}

func (c *counter) increment() { c.total++ }

// histogram keeps values until they are written.
type histogram struct {
	metric proxywasm.MetricHistogram
	values []uint64
}

func (h *histogram) record(d time.Duration) {
	h.values = append(h.values, uint64(max(d, 0).Milliseconds()))
}

// define announces the metrics to the host, so that they are there from the start with zero.
func (m *metrics) define() {
	for _, c := range m.counters() {
		c.counter.metric = proxywasm.DefineCounterMetric(metricPrefix + c.name)
	}
	m.callDuration.metric = proxywasm.DefineHistogramMetric(metricPrefix + callDurationName)
}

// flush writes what has changed since the last time.
func (m *metrics) flush() {
	for _, c := range m.counters() {
		if delta := c.counter.total - c.counter.told; delta > 0 {
			c.counter.metric.Increment(delta)
			c.counter.told = c.counter.total
		}
	}
	for _, value := range m.callDuration.values {
		m.callDuration.metric.Record(value)
	}
	m.callDuration.values = m.callDuration.values[:0]
}
