package bench

import (
	"context"
	"fmt"
	"math"
	"time"
)

// settle is how long a load runs before it is measured: connections open, and
// the queue in front of Envoy fills.
const settle = 200 * time.Millisecond

// throughput is what a closed loop measured of a candidate, round by round.
type throughput struct {
	candidate
	Rate  series  // requests per second
	CPU   series  // microseconds of the Envoy process per request
	Busy  series  // CPU time by wall time: 1 is one core
	Calls float64 // of the token service, per request
}

// throughputRounds measures all candidates in each round, so that what changes
// on the machine with time changes for all.
func (b *bench) throughputRounds(ctx context.Context, s *stage) ([]throughput, error) {
	results := make([]throughput, len(s.candidates))
	for round := 0; round <= b.Rounds; round++ {
		for i, c := range s.candidates {
			results[i].candidate = c
			measured, err := b.saturate(ctx, s, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			if round == 0 {
				b.step("warming up %s … %s req/s", c.Name, thousands(measured.rate))
				continue // V8 compiles again what is used much
			}
			b.step("round %d/%d %s … %s req/s", round, b.Rounds, c.Name, thousands(measured.rate))
			results[i].add(measured)
		}
	}
	for i, c := range s.candidates {
		counted, err := s.counts(c)
		if err != nil {
			return nil, err
		}
		results[i].Calls = float64(counted.tokenCalls) / float64(counted.requests)
	}
	return results, nil
}

func (t *throughput) add(m saturation) {
	t.Rate = append(t.Rate, m.rate)
	t.CPU = append(t.CPU, m.cpu)
	t.Busy = append(t.Busy, m.busy)
}

// saturation is one candidate in one round.
type saturation struct{ rate, cpu, busy float64 }

func (b *bench) saturate(ctx context.Context, s *stage, c candidate) (saturation, error) {
	load, err := s.loader(c, b.Connections)
	if err != nil {
		return saturation{}, err
	}
	defer load.close()
	var result saturation
	err = load.closedLoop(ctx, func() {
		pause(ctx, settle)
		started, requests := time.Now(), load.requests()
		cpu, known := cpuTime(s.PID())
		pause(ctx, b.Duration)
		cpuAfter, _ := cpuTime(s.PID())
		requests = load.requests() - requests
		elapsed := time.Since(started)

		result = saturation{rate: float64(requests) / elapsed.Seconds(), cpu: math.NaN(), busy: math.NaN()}
		if known && requests > 0 {
			used := cpuAfter - cpu
			result.cpu = used.Seconds() * 1e6 / float64(requests)
			result.busy = used.Seconds() / elapsed.Seconds()
		}
	})
	return result, err
}
