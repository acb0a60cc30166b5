package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/chart"
	"token-fetch/e2e/harness"
)

// suite is the gateway and all that is around it.
type suite struct {
	settings settings
	ledger   *ledger
	rules    []*rule
	gateway  *harness.Gateway
	lag      *lag
	log      *logWatch
	load     *load
	goneAway map[*rule]int // how often token services refused connections
}

func start(t *testing.T, settings settings) *suite {
	t.Helper()
	s := &suite{settings: settings, ledger: newLedger(), rules: newRules(), goneAway: map[*rule]int{}}
	chooseFaults(s.rules)
	s.log = &logWatch{ledger: s.ledger}
	upstream := startUpstream(t, s.ledger)
	services := []harness.Service{
		{Name: "upstream.dns", Address: upstream.address},
		{Name: "upstream-a.dns", Address: upstream.address, HTTP2: true},
	}
	for _, r := range s.rules {
		r.service = startTokenService(t, r, s.ledger, settings.seed)
		services = append(services, harness.Service{Name: r.serviceName(), Address: r.service.address})
	}
	s.gateway = harness.Start(t, harness.Options{
		Config:   configuration(s.rules),
		Workers:  4,
		Services: services,
		// Of the wasm component only: at that level Envoy's own components print headers.
		WasmLog: "trace",
		LogTo:   s.log,
		KeepLog: 1 << 20,
	})
	s.lag = measureLag(t, s.gateway.PID())
	s.load = newLoad(s.gateway, s.ledger, s.rules, settings.seed)
	return s
}

// underFaults runs the load, while token services now and then go away. It returns Envoy's memory meanwhile, in MB.
func (s *suite) underFaults(t *testing.T, began time.Time, duration time.Duration) (memory []chart.Point) {
	t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	for i, r := range s.rules {
		random := rand.New(rand.NewPCG(s.settings.seed, uint64(1000+i)))
		group.Add(1)
		go func() {
			defer group.Done()
			s.goAwayNowAndThen(t, r, random, stop)
		}()
	}
	group.Go(func() {
		for ticker := time.Tick(2 * time.Second); ; {
			memory = append(memory, chart.Point{Minute: time.Since(began).Minutes(), Value: float64(s.gateway.MemoryKB(t)) / 1000})
			select {
			case <-stop:
				return
			case <-ticker:
			}
		}
	})
	s.load.run(t, duration)
	close(stop)
	group.Wait()
	if s.load.stopped.Load() {
		s.reportViolations(t)
		t.Fatal("the plugin is dead, so the load was ended")
	}
	return memory
}

func (s *suite) goAwayNowAndThen(t *testing.T, r *rule, random *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Second + time.Duration(random.Int64N(int64(4*time.Second)))):
		}
		err := r.service.goAway(50*time.Millisecond + time.Duration(random.Int64N(int64(150*time.Millisecond))))
		if err != nil {
			t.Errorf("the token service of %s can't come back: %v", r.name, err)
			return
		}
		s.ledger.change(func() { s.goneAway[r]++ })
	}
}

// reportViolations fails the test with all that must not be.
func (s *suite) reportViolations(t *testing.T) {
	t.Helper()
	for _, kind := range s.ledger.kindsOfViolations() {
		v := s.ledger.violations[kind]
		t.Errorf("%d times %s, for example:\n\t%s", v.count, kind, strings.Join(v.examples, "\n\t"))
	}
	if t.Failed() {
		t.Logf("Envoy's log without trace and debug, the latest lines:\n%s", strings.Join(s.log.latest(), "\n"))
	}
}

// recoveryLimit is how long it may take until every rule serves again: the longest backoff, and some.
const recoveryLimit = longestHold + 4*time.Second

var recovering = &client{name: "after the faults", send: nil}

// recover has the token services give good answers only. Before the longest backoff is
// over, every worker must serve every rule again.
func (s *suite) recover(t *testing.T) {
	t.Helper()
	for _, r := range s.rules {
		r.service.healthy.Store(true)
	}
	began := time.Now()
	for _, r := range s.rules {
		s.recoverRule(t, r, began.Add(recoveryLimit))
	}
	t.Logf("%s after the faults every rule served again", time.Since(began).Round(time.Millisecond))
}

// recoverRule asks over many new connections, so that every worker is asked.
func (s *suite) recoverRule(t *testing.T, r *rule, deadline time.Time) {
	t.Helper()
	const connections = 40
	harness.Eventually(t, time.Until(deadline), func() error {
		without := 0
		for range connections {
			if entry := s.ask(t, r); entry.answer != reached || entry.values != 1 {
				without++
			}
		}
		if without != 0 {
			return fmt.Errorf("%s: %d of %d requests had no token after the faults", r.name, without, connections)
		}
		return nil
	})
}

// ask sends one request over a connection of its own.
func (s *suite) ask(t *testing.T, r *rule) *request {
	t.Helper()
	entry := &request{rule: r, client: recovering}
	switch {
	case r.exchange:
		entry.subject = s.load.subjects.callers[0]
		entry.key = entry.subject.token
	case r.keyedBy == tenantHeader:
		entry.key = "tenant-1"
	}
	s.ledger.newRequest(entry)
	request := s.load.newHTTPRequest(t.Context(), entry, http.MethodGet, nil, s.load.random)
	request.Close = true
	s.load.do(s.gateway.Client(), entry, request)
	return entry
}
