// Package faults runs a gateway among token services, clients and upstreams that do
// whatever can go wrong, at random, and holds all that happened against the contract.
package faults

import (
	"testing"
	"time"

	"token-fetch/e2e/chart"
)

// TestFaults has all faults at once, for a minute or as long as FAULTS says.
func TestFaults(t *testing.T) {
	settings := readSettings(t)
	t.Logf("seed %d; again with: make test-faults FAULTS=%s FAULTS_SEED=%d", settings.seed, settings.load, settings.seed)
	s := start(t, settings)
	before := s.state(t)

	began := time.Now()
	warmUp := chart.Line{Name: "warm-up", Points: s.underFaults(t, began, settings.warmUp())}
	s.waitIdle(t)
	warm := s.gateway.MemoryKB(t)
	load := chart.Line{Name: "load", Points: s.underFaults(t, began, settings.load)}
	s.waitIdle(t)
	after := s.gateway.MemoryKB(t)
	t.Logf("Envoy's memory was %d kB after the warm-up and %d kB at the end", warm, after)
	if after > warm+warm/10 {
		t.Errorf("Envoy's memory is %d kB, want within 10 %% of the %d kB after the warm-up", after, warm)
	}
	s.recover(t)
	s.waitIdle(t)
	s.checkState(t, before)
	checker := newChecker(s.ledger, s.lag)
	checker.all()
	s.reportViolations(t)
	s.write(t, checker, memory{warm, after, []chart.Line{warmUp, load}})
}
