package bench

import (
	"context"
	"fmt"
	"math"
	"os"
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
	Other series  // the same of processes that have no part in the benchmark
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
	t.Other = append(t.Other, m.other)
}

// saturation is one candidate in one round.
type saturation struct{ rate, cpu, busy, other float64 }

func (b *bench) saturate(ctx context.Context, s *stage, c candidate) (saturation, error) {
	load, err := s.loader(c, b.Connections)
	if err != nil {
		return saturation{}, err
	}
	defer load.close()
	var result saturation
	err = load.closedLoop(ctx, func() {
		pause(ctx, settle)
		before := b.snapshot(s, load)
		pause(ctx, b.Duration)
		result = b.snapshot(s, load).since(before)
	})
	return result, err
}

// snapshot is what has been done and used so far.
type snapshot struct {
	at        time.Time
	requests  int64
	envoy     time.Duration // CPU time of the measured Envoy
	others    time.Duration // CPU time of processes outside the benchmark
	cpuKnown  bool
	restKnown bool
}

func (b *bench) snapshot(s *stage, load *loader) snapshot {
	now := snapshot{at: time.Now(), requests: load.requests()}
	now.envoy, now.cpuKnown = cpuTime(s.PID())
	backend, _ := cpuTime(b.backend.PID())
	client, _ := cpuTime(os.Getpid())
	machine, known := machineTime()
	now.others, now.restKnown = machine-now.envoy-backend-client, known && now.cpuKnown
	return now
}

func (s snapshot) since(before snapshot) saturation {
	requests, elapsed := float64(s.requests-before.requests), s.at.Sub(before.at).Seconds()
	result := saturation{rate: requests / elapsed, cpu: math.NaN(), busy: math.NaN(), other: math.NaN()}
	if s.cpuKnown && requests > 0 {
		used := (s.envoy - before.envoy).Seconds()
		result.cpu, result.busy = used*1e6/requests, used/elapsed
	}
	if s.restKnown {
		// Two clocks of different grain: their difference may be a little below nothing.
		result.other = max(0, (s.others-before.others).Seconds()/elapsed)
	}
	return result
}
