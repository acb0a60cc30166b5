package load

import (
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// probes are requests that are independent of a test's own: the plugin leaves them alone (host free),
// or their token is cached (host warm). Their latency shows whether the worker serves other requests
// meanwhile.
type probes struct {
	stop    chan struct{}
	results chan []harness.Result
}

// probeRate is how many there are a second.
const probeRate = 500

func startProbes(t *testing.T, gateway *harness.Gateway) *probes {
	t.Helper()
	p := &probes{stop: make(chan struct{}), results: make(chan []harness.Result, 1)}
	go func() {
		p.results <- harness.LoadUntil(p.stop, probeRate, func(number int) harness.Result {
			return gateway.AskBy(t, gateway.HTTP2Client(), []string{"free", "warm"}[number%2])
		})
	}()
	return p
}

// report logs what those took that were under way from one time to another, and returns the
// time that half of them took at most, and 99 of 100.
func (p *probes) report(t *testing.T, from, to time.Time) (p50, p99 time.Duration) {
	t.Helper()
	close(p.stop)
	var took []time.Duration
	for _, result := range <-p.results {
		if result.Err != nil || result.Status != 200 {
			t.Errorf("a request of another rule was answered %d %q (%v)", result.Status, result.Body, result.Err)
			break
		}
		if result.AnsweredAt.After(from) && result.SentAt.Before(to) {
			took = append(took, result.Took())
		}
	}
	p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
	t.Logf("%d requests of other rules meanwhile: p50 %s, p99 %s, max %s", len(took), p50, p99, percentile(took, 1))
	return p50, p99
}
