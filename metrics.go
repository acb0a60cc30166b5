package main

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/tokencache"
)

// metricPrefix is put before the names; Envoy puts wasmcustom. before it.
const metricPrefix = "token_fetch."

// metrics are counted in the VM and written to the host by the root context's tick,
// so that they cost a request nothing.
type metrics struct {
	calls, callFailures, denied, allowedWithoutToken, subjectsRefused uint64

	cache        tokencache.Stats
	callDuration histogram
	written      map[string]writtenCounter
}

// counters names them all; a test holds the table in the README against it.
func (m *metrics) counters() []namedCounter {
	return []namedCounter{
		{"calls", &m.calls},
		{"call_failures", &m.callFailures},
		{"cache_hits", &m.cache.Hits},
		{"cache_misses", &m.cache.Misses},
		{"coalesced", &m.cache.Coalesced},
		{"refreshes", &m.cache.Refreshes},
		{"stale_served", &m.cache.StaleServed},
		{"invalidated", &m.cache.Invalidated},
		{"denied", &m.denied},
		{"allowed_without_token", &m.allowedWithoutToken},
		{"subjects_refused", &m.subjectsRefused},
	}
}

const callDurationName = "call_duration_ms"

type namedCounter struct {
	name  string
	total *uint64
}

// writtenCounter is what the host knows of a counter.
type writtenCounter struct {
	metric proxywasm.MetricCounter
	total  uint64
}

// histogram keeps values until they are written.
type histogram struct {
	metric proxywasm.MetricHistogram
	values []uint64
}

func (h *histogram) record(d time.Duration) {
	h.values = append(h.values, uint64(max(d, 0).Milliseconds())) //nolint:gosec // not negative
}

// define announces the metrics to the host, so that they are there from the start with zero. Each
// configuration of the VM does so.
func (m *metrics) define() {
	if m.written == nil {
		m.written = map[string]writtenCounter{}
	}
	for _, c := range m.counters() {
		m.written[c.name] = writtenCounter{proxywasm.DefineCounterMetric(metricPrefix + c.name), m.written[c.name].total}
	}
	m.callDuration.metric = proxywasm.DefineHistogramMetric(metricPrefix + callDurationName)
}

// flush writes what has changed since the last time.
func (m *metrics) flush() {
	for _, c := range m.counters() {
		written := m.written[c.name]
		if delta := *c.total - written.total; delta > 0 {
			written.metric.Increment(delta)
			written.total = *c.total
			m.written[c.name] = written
		}
	}
	for _, value := range m.callDuration.values {
		m.callDuration.metric.Record(value)
	}
	m.callDuration.values = m.callDuration.values[:0]
}
