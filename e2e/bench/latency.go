package bench

import (
	"context"
	"fmt"
	"time"
)

// latency is what an open loop measured of a candidate, round by round.
type latency struct {
	candidate
	P50, P99 series // microseconds
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
			sorted, cpu, err := b.paced(ctx, s, c, result.Rate, uint64(round))
			if err != nil {
				return latencies{}, fmt.Errorf("%s: %w", c.Name, err)
			}
			p50, p99 := micros(percentile(sorted, 0.50)), micros(percentile(sorted, 0.99))
			b.step("latency %d/%d %s … p99 %.0f µs at %s req/s", round, rounds, c.Name, p99, thousands(result.Rate))
			result.List[i].P50 = append(result.List[i].P50, p50)
			result.List[i].P99 = append(result.List[i].P99, p99)
			result.List[i].CPU = append(result.List[i].CPU, cpu)
		}
	}
	return result, nil
}

// latencyRounds are the rounds for one of the closed loop. They are many and short: what
// disturbs the machine for a moment spoils some of them and not the median.
const latencyRounds = 4

// paced returns the latencies, sorted, and Envoy's microseconds of CPU per request.
func (b *bench) paced(ctx context.Context, s *stage, c candidate, rate float64, seed uint64) ([]time.Duration, float64, error) {
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
	sorted, err := load.openLoop(ctx, rate, int(rate*b.Duration.Seconds()/2), seed)
	return sorted, b.snapshot(s, load).since(before).cpu, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
