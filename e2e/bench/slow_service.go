package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	slowServiceRate        = 1000 // requests per second
	slowServiceConnections = 128  // enough for the requests that wait for a slow token
)

// slowServiceResult is what a client notices when the token service is slow.
type slowServiceResult struct {
	candidate
	Requests int
	P50, P99 time.Duration
	Calls    float64 // token calls per 10,000 requests
}

// slowService runs the sample and the plugin, from a cold start, with a token service
// that takes its time.
func (b *bench) slowService(ctx context.Context, all []candidate) ([]slowServiceResult, error) {
	compared := named(all, sample, cached)
	if len(compared) < 2 {
		return nil, nil
	}
	b.step("starting Envoy with a token service that takes %s", slowness)
	s, err := b.startMeasured(ctx, compared, 1, b.backend.slow)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Stop() }()
	var results []slowServiceResult
	for _, c := range compared {
		result, err := b.withSlowService(ctx, s, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		b.step("slow token service, %s … p50 %s, p99 %s", c.Name, millis(result.P50), millis(result.P99))
		results = append(results, result)
	}
	return results, nil
}

func (b *bench) withSlowService(ctx context.Context, s *stage, c candidate) (slowServiceResult, error) {
	load, err := s.loader(c, slowServiceConnections)
	if err != nil {
		return slowServiceResult{}, err
	}
	defer load.close()
	samples, err := load.openLoop(ctx, slowServiceRate, b.slowServiceRequests(), 1)
	if err != nil {
		return slowServiceResult{}, err
	}
	counted, err := s.counts(c)
	if err != nil {
		return slowServiceResult{}, err
	}
	// Checked afterwards: before, it would have fetched the token.
	if err := s.verify(ctx, c); err != nil {
		return slowServiceResult{}, err
	}
	return slowServiceResult{
		candidate: c, Requests: len(samples),
		P50: percentile(samples, 0.50), P99: percentile(samples, 0.99),
		Calls: float64(counted.tokenCalls) * 10_000 / float64(counted.requests),
	}, nil
}
