// Package faults runs a gateway with token services, clients and upstreams that misbehave at random, and checks
// every request against the contract.
package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/chart"
	"token-fetch/e2e/harness"
)

// loadTime is how long the measured load runs: FAULTS, which make test-faults sets.
func loadTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FAULTS")
	switch {
	case text == "" && testing.Short():
		return 10 * time.Second
	case text == "":
		return time.Minute
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < time.Second {
		t.Fatalf("FAULTS is %q, want a time of at least 1s, for example 20m", text)
	}
	return duration
}

// TestFaults has all faults at once, for a minute or as long as FAULTS says.
func TestFaults(t *testing.T) {
	measured := loadTime(t)
	// Until the workers' heaps and the caches are as large as they get.
	warmUp := min(max(measured/2, 30*time.Second), 2*time.Minute)
	s := start(t)
	vms := s.gateway.Stats(t, `^wasm\.`)
	if len(vms) == 0 {
		t.Error("Envoy has no statistics of its VMs")
	}

	began := time.Now()
	curve := []chart.Line{{Name: "warm-up", Points: s.underFaults(t, began, warmUp)}}
	s.waitIdle(t)
	warm := s.gateway.MemoryKB(t)
	curve = append(curve, chart.Line{Name: "load", Points: s.underFaults(t, began, measured)})
	s.waitIdle(t)
	after := s.gateway.MemoryKB(t)
	if after > warm+warm/10 {
		t.Errorf("Envoy's memory is %d kB, want within 10 %% of the %d kB after the warm-up", after, warm)
	}
	s.recover(t)
	s.waitIdle(t)
	if now := s.gateway.Stats(t, `^wasm\.`); !maps.Equal(now, vms) {
		t.Errorf("Envoy's VMs were %v and are %v", vms, now)
	}
	checker := &checker{ledger: s.ledger, lag: s.lag}
	checker.all()
	s.reportViolations(t)
	s.write(t, checker, fmt.Sprintf("%s after %s of warm-up", measured, warmUp),
		fmt.Sprintf("memory of Envoy %d MB after the warm-up, %d MB at the end; no secret in %d lines of log", warm/1024, after/1024, s.gateway.CheckNoSecrets(t)), curve)
}

func start(t *testing.T) *suite {
	t.Helper()
	s := &suite{load: load{ledger: newLedger(), rules: newRules()}}
	upstream := harness.Serve(t, s.ledger.serveUpstream)
	services := []harness.Service{upstream.Service("upstream.dns"), {Name: "upstream-a.dns", Address: upstream.Address, HTTP2: true}}
	for _, r := range s.rules {
		service := startTokenService(t, r, s.ledger)
		s.services = append(s.services, service)
		services = append(services, service.Service(r.serviceName()))
	}
	// The log is at trace level for the wasm component only: there, Envoy's own components print headers.
	s.gateway = harness.StartTraced(t, harness.Options{Config: configuration(s.rules), Workers: 4, Services: services})
	alone := s.gateway.Client().Transport.(*http.Transport).Clone()
	alone.DisableKeepAlives = true
	s.alone, s.lag = alone, measureLag(t, s.gateway.PID())
	return s
}

// underFaults runs the load, while token services now and then go away. It returns Envoy's memory meanwhile, in MB.
func (s *suite) underFaults(t *testing.T, began time.Time, duration time.Duration) (memory []chart.Point) {
	t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	meanwhile := func(wait func() time.Duration, do func()) {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(wait()):
				}
				do()
			}
		})
	}
	for _, service := range s.services {
		meanwhile(func() time.Duration { return time.Second + rand.N(4*time.Second) }, func() {
			service.goAway(t, 50*time.Millisecond+rand.N(150*time.Millisecond))
		})
	}
	meanwhile(func() time.Duration { return 2 * time.Second }, func() {
		memory = append(memory, chart.Point{Minute: time.Since(began).Minutes(), Value: float64(s.gateway.MemoryKB(t)) / 1000})
	})
	s.run(duration)
	close(stop)
	group.Wait()
	return memory
}

// idleLimit is how long requests and calls of clients that have gone may stay: their calls
// end by the timeout.
const idleLimit = 5 * time.Second

// waitIdle waits until no request is left in the gateway or on its way to a service, and fails the test if some remain.
func (s *suite) waitIdle(t *testing.T) {
	t.Helper()
	harness.Eventually(t, idleLimit, func() error {
		active := s.gateway.Stats(t, `(upstream|downstream)_rq_active$`)
		maps.DeleteFunc(active, func(name, value string) bool {
			return value == "0" || strings.HasPrefix(name, "http.admin.") // this very look
		})
		if len(active) != 0 {
			return fmt.Errorf("there are requests left: %v", active)
		}
		return nil
	})
}

// recoveryLimit is how long it may take until every rule serves again: the longest backoff, and some.
const recoveryLimit = longestHold + 4*time.Second

var recovering = &client{name: "after the faults"}

// recover has the token services give good answers only. Before the longest backoff is
// over, every worker must serve every rule again: it is asked over many new connections.
func (s *suite) recover(t *testing.T) {
	t.Helper()
	const connections = 40
	for _, service := range s.services {
		service.healthy.Store(true)
	}
	began := time.Now()
	for _, r := range s.rules {
		harness.Eventually(t, time.Until(began.Add(recoveryLimit)), func() error {
			without := 0
			for range connections {
				entry := s.ask(r)
				if entry.result() != withToken && s.lag.during(entry.during()) < callTimeout/2 {
					without++
				}
			}
			if without != 0 {
				return fmt.Errorf("%s: %d of %d requests had no token after the faults", r.name, without, connections)
			}
			return nil
		})
	}
	t.Logf("%s after the faults every rule served again", time.Since(began).Round(time.Millisecond))
}

// ask sends one request over its own connection.
func (s *suite) ask(r *rule) *request {
	entry := &request{rule: r, client: recovering}
	switch {
	case r.exchange:
		entry.subject = &subject{kind: subjectKinds[0], value: "Bearer " + harness.SecretMark + "-subject-0"}
		entry.key = entry.subject.token()
	case r.keyedBy == tenantHeader:
		entry.key = "tenant-1"
	}
	s.ledger.newRequest(entry)
	s.within(patience, s.alone, entry, s.http(entry, http.MethodGet, nil))
	return entry
}

// reportViolations fails the test with all violations.
func (s *suite) reportViolations(t *testing.T) {
	t.Helper()
	for _, kind := range slices.Sorted(maps.Keys(s.ledger.violations)) {
		examples := s.ledger.violations[kind]
		t.Errorf("%d times %s, for example:\n\t%s", len(examples), kind, strings.Join(examples[:min(8, len(examples))], "\n\t"))
	}
	if !t.Failed() {
		return
	}
	for line := range strings.Lines(s.gateway.Log()) {
		if !strings.Contains(line, "][trace][") && !strings.Contains(line, "][debug][") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
