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
	// metricPrefix is put before the names; Envoy puts wasmcustom. before it.
	metricPrefix = "token_fetch."
	// servicePrefix and the service's name come before the names of what is counted for one token service. Envoy makes
	// labels of names by expressions in its bootstrap only, which differ from gateway to gateway: the rules in
	// deploy/monitoring do it instead.
	servicePrefix = metricPrefix + "service."

	callDurationName = "call_duration_ms"
	expiryName       = "token_expiry_timestamp_seconds"
)

// A host can't remove a metric, so that their number and the length of their names have limits.
const (
	maxServices          = 64 // further ones of the VM are counted together
	otherServices        = "other"
	maxServiceNameLength = 80
)

// metrics are what is counted for one token service, in the VM: the root context's tick writes them to the
// host, so that they cost a request nothing.
type metrics struct {
	calls, callFailures, denied, allowedWithoutToken, subjectsRefused, subjectsMissing, referencesMissing, authoritiesRefused uint64

	failures     [token.NumReasons]uint64 // also of calls that could not be made
	cache        cache.Stats
	callDuration durations
}

type namedCounter struct {
	name  string
	total *uint64
}

// counters names them all; a test holds the table in docs/operations.md against it.
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

// durations are kept until they are written, in milliseconds.
type durations []uint64

func (d *durations) record(took time.Duration) {
	*d = append(*d, uint64(max(took, 0).Milliseconds())) //nolint:gosec // not negative
}

// vmMetrics are those of a VM: of each token service, and their sums. They belong to the VM, so that what a replaced
// configuration has counted last is written by its successor.
type vmMetrics struct {
	services []*serviceMetrics // in the order in which they were configured first; those of no service first
	defined  int               // so many of them
	sums     []proxywasm.MetricCounter

	callDuration proxywasm.MetricHistogram
	expiry       expiryGauge
}

// serviceMetrics are those of one token service, or of none.
type serviceMetrics struct {
	metrics
	name     string // ends as part of the metrics' names; empty: they are in the sums only
	counters []writtenCounter
	caches   []*cache.Cache // whose tokens' ends are shown
	expiry   expiryGauge
}

// writtenCounter is one with what the host knows of it.
type writtenCounter struct {
	namedCounter
	metric  proxywasm.MetricCounter
	written uint64
}

// forService returns the metrics of the token service with this address; without one, of requests that have none yet.
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

// serviceMetricName makes a part of a metric's name of a service's address: of its bytes, those that Prometheus
// knows in names stay, and no dot, which separates the parts.
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

// define announces the metrics to the host that it does not know yet, so that they are there from the start with zero. Each
// configuration of the VM does so, for its new token services: a host keeps a little for each announcement.
func (v *vmMetrics) define() {
	if v.sums != nil && !isDefined(v.sums[0]) {
		v.sums, v.defined = nil, 0 // another host has the VM: an emulator does, from test to test
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

// isDefined reports whether the host knows the metric. The SDK panics where it does not.
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

// flush writes what has changed since the last time.
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

// forget is told of the caches of a configuration that is gone.
func (v *vmMetrics) forget(caches []*cache.Cache) {
	gone := map[*cache.Cache]bool{}
	for _, c := range caches {
		gone[c] = true
	}
	for _, s := range v.services {
		s.caches = slices.DeleteFunc(s.caches, func(c *cache.Cache) bool { return gone[c] })
	}
}
