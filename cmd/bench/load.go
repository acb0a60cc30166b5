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
	done        atomic.Int64 // number of answers
	status      atomic.Int64 // the last one that was not 200
}

func newLoader(address string, connections int, headers func(connection int) [][2]string) (*loader, error) {
	// It warns of single requests, but only the status matters here.
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

// failure returns an error if a request was not answered with 200.
func (l *loader) failure(ctx context.Context) error {
	if status := l.status.Load(); status != 0 && ctx.Err() == nil {
		return fmt.Errorf("a request was answered by %d instead of 200", status)
	}
	return ctx.Err()
}

// closedLoop keeps every connection busy: each sends its next request as soon as the previous one is answered. It calls
// measure meanwhile.
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
	took time.Duration // from when it was due until the answer
}

// openLoop sends count requests at a rate (per second), whether or not earlier ones have been answered, and returns them in
// the order in which they were due. Arrivals are random (Poisson), as with independent clients: at even intervals, client
// and server fall into step, and latencies no longer depend on what a request costs. The same seed gives the same arrivals.
// A request that finds no free connection waits for one, which counts as latency.
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
		due <- at // never blocks
	}
	close(due)
	group.Wait()
	all := slices.Concat(samples...)
	slices.SortFunc(all, func(a, b sent) int { return cmp.Compare(a.due, b.due) })
	return all, l.failure(ctx)
}

// arrivals returns the times of count requests, from the start.
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

// sleepUntil uses the kernel's timer: Go's timers wake an idle program up to a millisecond late, which causes bursts.
func sleepUntil(at time.Time) {
	for ahead := time.Until(at); ahead > 0; ahead = time.Until(at) {
		interval := syscall.NsecToTimeval(ahead.Nanoseconds())
		//nolint:errcheck // The number of results depends on the system. A signal only causes another iteration.
		syscall.Select(0, nil, nil, nil, &interval)
	}
}

// undisturbed is the median over time windows of a quantile, in microseconds. If the hypervisor takes the cores away for a
// millisecond a few times a second, and requests pile up, the quantile of all requests would only show that.
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

// pause sleeps, or returns early if the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
