package load

import (
	"errors"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// probes are requests that have nothing to do with those of a test: they are left alone by
// the plugin (host free) or have a cached token (host warm). What they take shows whether
// the worker serves others meanwhile.
type probes struct {
	streams *harness.Streams
	stop    chan struct{}
	stopped chan struct{}

	mu     sync.Mutex // guards sent and failed
	sent   []probe
	failed harness.StreamAnswer // one that was not answered 200
}

type probe struct {
	due, answered time.Time
}

// probeInterval is between two of them.
const probeInterval = 2 * time.Millisecond

func startProbes(t *testing.T, gateway *harness.Gateway) *probes {
	t.Helper()
	p := &probes{stop: make(chan struct{}), stopped: make(chan struct{})}
	p.streams = gateway.OpenStreams(t, p.take)
	go p.run()
	return p
}

func (p *probes) run() {
	defer close(p.stopped)
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for number := 0; ; number++ {
		select {
		case <-p.stop:
			return
		case due := <-ticker.C:
			p.mu.Lock()
			p.sent = append(p.sent, probe{due: due})
			p.mu.Unlock()
			if p.streams.Send(number, []string{"free", "warm"}[number%2], "/probe") != nil || p.streams.Flush() != nil {
				return
			}
		}
	}
}

func (p *probes) take(number int, answer harness.StreamAnswer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[number].answered = answer.Time
	if answer.Status != 200 {
		p.failed = answer
	}
}

// report logs what those took that were under way from one time to another, and returns the
// time that half of them took at most, and 99 of 100.
func (p *probes) report(t *testing.T, from, to time.Time) (p50, p99 time.Duration) {
	t.Helper()
	close(p.stop)
	<-p.stopped
	var took []time.Duration
	harness.Eventually(t, limit, func() (err error) {
		took, err = p.between(from, to)
		return err
	})
	if p.failed.Time != (time.Time{}) {
		t.Errorf("a request of another rule was answered %d %q (%s)", p.failed.Status, p.failed.Body, p.failed.Details)
	}
	p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
	t.Logf("%d requests of other rules meanwhile: p50 %s, p99 %s, max %s", len(took), p50, p99, percentile(took, 1))
	return p50, p99
}

func (p *probes) between(from, to time.Time) (took []time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, probe := range p.sent {
		if probe.answered.IsZero() {
			return nil, errors.New("not all requests of other rules were answered")
		}
		if probe.answered.After(from) && probe.due.Before(to) {
			took = append(took, probe.answered.Sub(probe.due))
		}
	}
	return took, nil
}
