package bench

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// sent is one request of an open loop.
type sent struct {
	due  time.Duration // from the start of the loop
	took time.Duration // from when it was due until it was answered
}

// openLoop sends count requests at a rate (per second), whether the earlier ones are
// answered or not, and returns them in the order in which they were due. They come at
// random (Poisson), as those of independent clients do: at even intervals two processes fall
// into step, and what a request costs more decides about the beat and not about its
// wait. The same seed gives the same arrivals. A request that finds no free connection
// waits for one; its time counts from when it was due.
func (l *loader) openLoop(ctx context.Context, rate float64, count int, seed uint64) ([]sent, error) {
	due := make(chan time.Duration, count)
	samples := make([][]sent, len(l.connections))
	var workers sync.WaitGroup
	start := time.Now()
	for i, c := range l.connections {
		spawn(&workers, func() {
			for at := range due {
				c.send(ctx)
				samples[i] = append(samples[i], sent{due: at, took: time.Since(start) - at})
			}
		})
	}
	err := l.pace(ctx, start, arrivals(rate, count, seed), due)
	close(due)
	workers.Wait()
	if err != nil {
		return nil, err
	}
	all := slices.Concat(samples...)
	slices.SortFunc(all, func(a, b sent) int { return cmp.Compare(a.due, b.due) })
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
func (l *loader) pace(ctx context.Context, start time.Time, times []time.Duration, due chan<- time.Duration) error {
	pacer, err := newPacer()
	if err != nil {
		return err
	}
	defer pacer.close()
	for _, at := range times {
		if err := pacer.waitUntil(start.Add(at)); err != nil {
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

// percentile of the times that requests took, p between 0 and 1.
func percentile(samples []sent, p float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	took := make([]time.Duration, len(samples))
	for i, s := range samples {
		took[i] = s.took
	}
	slices.Sort(took)
	return took[min(int(p*float64(len(took))), len(took)-1)]
}

// undisturbed is the median of a percentile in windows of time, in microseconds. Where the
// hypervisor takes the cores away for a millisecond some times a second, and the requests
// of that time pile up, it is that which the percentile of all would show.
func undisturbed(samples []sent, p float64, window time.Duration) float64 {
	var windows series
	for first := 0; first < len(samples); {
		end := samples[first].due.Truncate(window) + window
		next := first
		for next < len(samples) && samples[next].due < end {
			next++
		}
		windows = append(windows, micros(percentile(samples[first:next], p)))
		first = next
	}
	return windows.median()
}
