package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pacer ticks at a fixed interval.
type pacer interface {
	wait() (ticks int, err error)
	close()
}

// openLoop sends count requests at a fixed rate (per second), whether the earlier
// ones are answered or not, and returns their latencies, sorted. A request that
// finds no free connection waits for one; its latency counts from when it was due.
func (l *loader) openLoop(ctx context.Context, rate float64, count int) ([]time.Duration, error) {
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
	err := l.pace(ctx, rate, count, due)
	close(due)
	workers.Wait()
	if err != nil {
		return nil, err
	}
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return all, l.failure()
}

// pace puts count requests into the queue as they become due.
func (l *loader) pace(ctx context.Context, rate float64, count int, due chan<- time.Time) error {
	ticker, err := newPacer(time.Duration(float64(time.Second) / rate))
	if err != nil {
		return err
	}
	defer ticker.close()
	for sent := 0; sent < count; {
		ticks, err := ticker.wait()
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.failure() != nil {
			return nil // the caller tells it
		}
		now := time.Now()
		for range min(ticks, count-sent) {
			due <- now // has room for all
			sent++
		}
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
