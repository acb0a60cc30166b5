package bench

import (
	"context"
	"fmt"
	"time"
)

// latency is what an open loop measured of a candidate, round by round.
type latency struct {
	candidate
	P50, P99 series // microseconds, undisturbed
	AllP99   series // microseconds, of all requests of a round
	CPU      series // microseconds of the Envoy process per request
}

// latencies are those of router only and the cached token at the same rate.
type latencies struct {
	Rate float64 // requests per second
	List []latency
}

// latencies sends half of what the plugin with a cached token can serve.
func (b *bench) latencies(ctx context.Context, s *stage, rates []throughput) (latencies, error) {
	compared := named(s.candidates, router, cached)
	if len(compared) < 2 {
		return latencies{}, nil
	}
	var result latencies
	for _, t := range rates {
		if t.Name == cached {
			result.Rate = t.Rate.median() / 2
		}
	}
	result.List = make([]latency, len(compared))
	rounds := latencyRounds * b.Rounds
	for round := 1; round <= rounds; round++ {
		for i, c := range compared {
			result.List[i].candidate = c
			samples, cpu, err := b.paced(ctx, s, c, result.Rate, uint64(round))
			if err != nil {
				return latencies{}, fmt.Errorf("%s: %w", c.Name, err)
			}
			p50, p99 := undisturbed(samples, 0.50, latencyWindow), undisturbed(samples, 0.99, latencyWindow)
			b.step("latency %d/%d %s … p99 %.0f µs at %s req/s", round, rounds, c.Name, p99, thousands(result.Rate))
			result.List[i].P50 = append(result.List[i].P50, p50)
			result.List[i].P99 = append(result.List[i].P99, p99)
			result.List[i].AllP99 = append(result.List[i].AllP99, micros(percentile(samples, 0.99)))
			result.List[i].CPU = append(result.List[i].CPU, cpu)
		}
	}
	return result, nil
}

const (
	// latencyRounds are the rounds for one of the closed loop, each of half the time.
	latencyRounds = 4
	// latencyWindow has some hundred requests, and is short enough for most to be undisturbed.
	latencyWindow = 25 * time.Millisecond
)

// paced returns the requests, and Envoy's microseconds of CPU for each.
func (b *bench) paced(ctx context.Context, s *stage, c candidate, rate float64, seed uint64) ([]sent, float64, error) {
	load, err := s.loader(c, b.Connections)
	if err != nil {
		return nil, 0, err
	}
	defer load.close()
	// The first requests open the connections; they are not measured.
	if _, err := load.openLoop(ctx, rate, int(rate*settle.Seconds()/2), 0); err != nil {
		return nil, 0, err
	}
	before := b.snapshot(s, load)
	samples, err := load.openLoop(ctx, rate, int(rate*b.Duration.Seconds()/2), seed)
	return samples, b.snapshot(s, load).since(before).cpu, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
