package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fortio.org/fortio/fhttp"
	fortiolog "fortio.org/log"
)

// loader sends requests to one listener over connections that stay open.
type loader struct {
	connections []fhttp.Fetcher
	done        atomic.Int64 // requests answered
	status      atomic.Int64 // the last one that was not 200
}

func newLoader(address string, connections int, headers func(connection int) [][2]string) (*loader, error) {
	// Its warnings are about single requests; what counts here is the status.
	fortiolog.SetLogLevelQuiet(fortiolog.Critical)
	fhttp.BufferSizeKb = 8
	l := &loader{}
	for i := range connections {
		options := fhttp.NewHTTPOptions("http://" + address + "/")
		options.HTTPReqTimeOut = 10 * time.Second
		for _, header := range headers(i) {
			if err := options.AddAndValidateExtraHeader(header[0] + ": " + header[1]); err != nil {
				return nil, err
			}
		}
		client, err := fhttp.NewFastClient(options)
		if err != nil {
			l.close()
			return nil, err
		}
		l.connections = append(l.connections, client)
	}
	return l, nil
}

func (l *loader) close() {
	for _, c := range l.connections {
		c.Close()
	}
}

func (l *loader) send(ctx context.Context, c fhttp.Fetcher) (ok bool) {
	status, _, _ := c.StreamFetch(ctx)
	if l.done.Add(1); status != 200 {
		l.status.Store(int64(status))
	}
	return status == 200
}

// failure tells of a request that was not answered by 200.
func (l *loader) failure(ctx context.Context) error {
	if status := l.status.Load(); status != 0 && ctx.Err() == nil {
		return fmt.Errorf("a request was answered by %d instead of 200", status)
	}
	return ctx.Err()
}

// closedLoop keeps every connection busy: each sends its next request when the last one is answered. During that it
// calls measure.
func (l *loader) closedLoop(ctx context.Context, measure func()) error {
	var stop atomic.Bool
	var group sync.WaitGroup
	for _, c := range l.connections {
		group.Go(func() {
			for goesOn := true; goesOn && !stop.Load(); {
				goesOn = l.send(ctx, c)
			}
		})
	}
	measure()
	stop.Store(true)
	group.Wait()
	return l.failure(ctx)
}

// sent is one request of an open loop.
type sent struct {
	due  time.Duration // from the start of the loop
	took time.Duration // from when it was due until it was answered
}

// openLoop sends count requests at a rate (per second), whether the earlier ones are answered or not, and returns them
// in the order in which they were due. They come at random (Poisson), as those of independent clients do: at even
// intervals two processes fall into step, and what a request costs more decides about the beat and not about its
// wait. The same seed gives the same arrivals. A request that finds no free connection waits for one; its time counts
// from when it was due.
func (l *loader) openLoop(ctx context.Context, rate float64, count int, seed uint64) ([]sent, error) {
	due := make(chan time.Duration, count)
	samples := make([][]sent, len(l.connections))
	var group sync.WaitGroup
	start := time.Now()
	for i, c := range l.connections {
		group.Go(func() {
			for at := range due {
				if !l.send(ctx, c) {
					return
				}
				samples[i] = append(samples[i], sent{due: at, took: time.Since(start) - at})
			}
		})
	}
	for _, at := range arrivals(rate, count, seed) {
		sleepUntil(start.Add(at))
		if ctx.Err() != nil {
			break
		}
		due <- at // has room for all
	}
	close(due)
	group.Wait()
	all := slices.Concat(samples...)
	slices.SortFunc(all, func(a, b sent) int { return cmp.Compare(a.due, b.due) })
	return all, l.failure(ctx)
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

// sleepUntil asks the kernel: Go's own timers wake an idle program up to a millisecond late, and then send in bursts.
func sleepUntil(at time.Time) {
	for ahead := time.Until(at); ahead > 0; ahead = time.Until(at) {
		interval := syscall.NsecToTimeval(ahead.Nanoseconds())
		//nolint:errcheck // How many results there are depends on the system. One that a signal ends is done again.
		syscall.Select(0, nil, nil, nil, &interval)
	}
}

// undisturbed is the median of a quantile in windows of time, in microseconds. Where the hypervisor takes the cores away
// for a millisecond some times a second, and the requests of that time pile up, it is that which the quantile of all
// would show.
func undisturbed(samples []sent, window time.Duration, p float64) float64 {
	var quantiles, current series
	for i, sample := range samples {
		current = append(current, float64(sample.took)/float64(time.Microsecond))
		if i+1 == len(samples) || samples[i+1].due/window != sample.due/window {
			quantiles = append(quantiles, current.quantile(p))
			current = nil
		}
	}
	return quantiles.median()
}

// pause waits unless the context ends before.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
