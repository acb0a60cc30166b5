package bench

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// openLoop sends count requests at a rate (per second), whether the earlier ones are
// answered or not, and returns their latencies, sorted. They come at random (Poisson), as
// those of independent clients do: at even intervals two processes fall into step, and what a
// request costs more decides about the beat and not about its wait. The same seed gives the
// same arrivals. A request that finds no free connection waits for one; its latency counts
// from when it was due.
func (l *loader) openLoop(ctx context.Context, rate float64, count int, seed uint64) ([]time.Duration, error) {
	due := make(chan time.Time, count)
	latencies := make([][]time.Duration, len(l.connections))
	var workers sync.WaitGroup
	for i, c := range l.connections {
		spawn(&workers, func() {
			for at := range due {
				c.send(ctx)
				latencies[i] = append(latencies[i], time.Since(at))
			}
		})
	}
	err := l.pace(ctx, arrivals(rate, count, seed), due)
	close(due)
	workers.Wait()
	if err != nil {
		return nil, err
	}
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return all, l.failure()
}

// arrivals are the times of count requests from the start.
func arrivals(rate float64, count int, seed uint64) []time.Duration {
	random := rand.New(rand.NewPCG(seed, 0))
	times := make([]time.Duration, count)
	at := 0.0
	for i := range times {
		at += random.ExpFloat64() / rate
		times[i] = time.Duration(at * float64(time.Second))
	}
	return times
}

// pace puts requests into the queue as they become due.
func (l *loader) pace(ctx context.Context, times []time.Duration, due chan<- time.Time) error {
	pacer, err := newPacer()
	if err != nil {
		return err
	}
	defer pacer.close()
	start := time.Now()
	for _, after := range times {
		at := start.Add(after)
		if err := pacer.waitUntil(at); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.failure() != nil {
			return nil // the caller tells it
		}
		due <- at // has room for all
	}
	return nil
}

// burst sends count requests as fast as they are answered.
func (l *loader) burst(ctx context.Context, count int) error {
	due := make(chan struct{}, count)
	for range count {
		due <- struct{}{}
	}
	close(due)
	var workers sync.WaitGroup
	for _, c := range l.connections {
		spawn(&workers, func() {
			for range due {
				if c.send(ctx); c.status.Load() != 0 || ctx.Err() != nil {
					return
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.failure()
}

// percentile of sorted values, p between 0 and 1.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}
