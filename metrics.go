package main

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
)

const (
	// metricPrefix precedes all names; Envoy puts wasmcustom. before it.
	metricPrefix = "token_fetch."
	// servicePrefix and the service's name precede the names of per-service metrics. Envoy can derive labels from names
	// only by expressions in its bootstrap, which differ from gateway to gateway; the rules in deploy/monitoring do it
	// instead.
	servicePrefix = metricPrefix + "service."

	callDurationName = "call_duration_ms"
	expiryName       = "token_expiry_timestamp_seconds"
)

// A host can't remove a metric, so their number and the length of their names are limited.
const (
	maxServices          = 64 // further ones of the VM are counted together
	otherServices        = "other"
	maxServiceNameLength = 80
)

// metrics are the metrics of one token service in the VM. The root context's tick writes them to the host, so that they
// cost requests nothing.
type metrics struct {
	calls, callFailures, denied, allowedWithoutToken, subjectsRefused, subjectsMissing, referencesMissing, authoritiesRefused uint64

	failures     [token.NumReasons]uint64 // including calls that could not be made
	cache        cache.Stats
	callDuration durations
}

type namedCounter struct {
	name  string
	total *uint64
}

// counters lists all counters; a test compares them with the table in docs/operations.md.
func (m *metrics) counters() []namedCounter {
	list := []namedCounter{
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
		{"subjects_missing", &m.subjectsMissing},
		{"references_missing", &m.referencesMissing},
		{"authorities_refused", &m.authoritiesRefused},
	}
	for r := range token.Reason(token.NumReasons) {
		if r.IsCounted() {
			list = append(list, namedCounter{"failures_" + r.String(), &m.failures[r]})
		}
	}
	return list
}

// durations collects values until they are written, in milliseconds.
type durations []uint64

func (d *durations) record(took time.Duration) {
	*d = append(*d, uint64(max(took, 0).Milliseconds())) //nolint:gosec // not negative
}

// vmMetrics are the metrics of a VM, per token service and in total. They belong to the VM so that its next
// configuration writes what a replaced one counted last.
type vmMetrics struct {
	services []*serviceMetrics // in order of first configuration; the first is for requests without a service
	defined  int               // how many of them the host knows
	sums     []proxywasm.MetricCounter

	callDuration proxywasm.MetricHistogram
	expiry       expiryGauge
}

// serviceMetrics are the metrics of one token service, or of requests without one.
type serviceMetrics struct {
	metrics
	name     string // last part of the metrics' names; empty: they count in the totals only
	counters []writtenCounter
	caches   []*cache.Cache // whose tokens the expiry gauge covers
	expiry   expiryGauge
}

// writtenCounter is a counter with what the host has of it.
type writtenCounter struct {
	namedCounter
	metric  proxywasm.MetricCounter
	written uint64
}

// forService returns the metrics of the token service with this address; "" is for requests without a service.
func (v *vmMetrics) forService(address string) *serviceMetrics {
	if len(v.services) == 0 {
		v.add("")
	}
	name := serviceMetricName(address)
	for _, s := range v.services {
		if s.name == name {
			return s
		}
	}
	if len(v.services) > maxServices && name != otherServices {
		return v.forService(otherServices)
	}
	return v.add(name)
}

func (v *vmMetrics) add(name string) *serviceMetrics {
	s := &serviceMetrics{name: name}
	for _, c := range s.metrics.counters() {
		s.counters = append(s.counters, writtenCounter{namedCounter: c})
	}
	v.services = append(v.services, s)
	return s
}

// serviceMetricName turns a service's address into part of a metric's name: it replaces characters that Prometheus does
// not allow in names, and dots, which separate the parts.
func serviceMetricName(address string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, address)
	if len(name) <= maxServiceNameLength {
		return name
	}
	hash := fnv.New32a()
	hash.Write([]byte(address))
	end := fmt.Sprintf("_%08x", hash.Sum32())
	return name[:maxServiceNameLength-len(end)] + end
}

// define registers the metrics that the host does not know yet, so that they exist with value zero from the start. Each
// configuration of the VM only registers its new token services, because the host keeps some memory for every
// registration.
func (v *vmMetrics) define() {
	if v.sums != nil && !isDefined(v.sums[0]) {
		v.sums, v.defined = nil, 0 // a new host uses this VM, as an emulator does between tests
	}
	if v.sums == nil {
		for _, c := range (&metrics{}).counters() {
			v.sums = append(v.sums, proxywasm.DefineCounterMetric(metricPrefix+c.name))
		}
		v.callDuration = proxywasm.DefineHistogramMetric(metricPrefix + callDurationName)
		v.expiry = expiryGauge{metric: proxywasm.DefineGaugeMetric(metricPrefix + expiryName)}
	}
	for ; v.defined < len(v.services); v.defined++ {
		v.services[v.defined].define()
	}
}

// isDefined reports whether the host knows the metric. If it does not, the SDK panics.
func isDefined(m proxywasm.MetricCounter) (is bool) {
	defer func() { is = recover() == nil }()
	m.Value()
	return true
}

func (s *serviceMetrics) define() {
	if s.name == "" {
		return
	}
	prefix := servicePrefix + s.name + "."
	for i := range s.counters {
		s.counters[i].metric = proxywasm.DefineCounterMetric(prefix + s.counters[i].name)
	}
	s.expiry = expiryGauge{metric: proxywasm.DefineGaugeMetric(prefix + expiryName)}
}

// flush writes what has changed since the last flush.
func (v *vmMetrics) flush(now time.Duration) {
	for _, s := range v.services {
		for i := range s.counters {
			c := &s.counters[i]
			delta := *c.total - c.written
			if delta == 0 {
				continue
			}
			c.written = *c.total
			v.sums[i].Increment(delta)
			if s.name != "" {
				c.metric.Increment(delta)
			}
		}
		for _, value := range s.callDuration {
			v.callDuration.Record(value)
		}
		s.callDuration = s.callDuration[:0]
	}
	v.writeExpiry(now)
}

// forget drops the caches of a configuration that is gone.
func (v *vmMetrics) forget(caches []*cache.Cache) {
	gone := map[*cache.Cache]bool{}
	for _, c := range caches {
		gone[c] = true
	}
	for _, s := range v.services {
		s.caches = slices.DeleteFunc(s.caches, func(c *cache.Cache) bool { return gone[c] })
	}
}
