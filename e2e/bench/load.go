package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fortio.org/fortio/fhttp"
	fortiolog "fortio.org/log"
)

// loader sends requests to one listener over connections that stay open.
type loader struct {
	connections []*connection
}

type connection struct {
	client fhttp.Fetcher
	done   atomic.Int64 // requests answered
	status atomic.Int64 // the last one that was not 200
	_      [64]byte     // keeps the counters of two connections out of one cache line
}

func newLoader(address string, connections int, userOf func(connection int) string) (*loader, error) {
	// Its warnings are about single requests; what counts here is the status.
	fortiolog.SetLogLevelQuiet(fortiolog.Critical)
	fhttp.BufferSizeKb = 8
	l := &loader{}
	for i := range connections {
		options := fhttp.NewHTTPOptions("http://" + address + "/")
		options.HTTPReqTimeOut = 10 * time.Second
		for _, header := range requestHeaders(userOf(i)) {
			if err := options.AddAndValidateExtraHeader(header[0] + ": " + header[1]); err != nil {
				return nil, err
			}
		}
		client, err := fhttp.NewFastClient(options)
		if err != nil {
			l.close()
			return nil, err
		}
		l.connections = append(l.connections, &connection{client: client})
	}
	return l, nil
}

func (l *loader) close() {
	for _, c := range l.connections {
		c.client.Close()
	}
}

func (c *connection) send(ctx context.Context) {
	if status, _, _ := c.client.StreamFetch(ctx); status != 200 {
		c.status.Store(int64(status))
	}
	c.done.Add(1)
}

func (l *loader) requests() int64 {
	var total int64
	for _, c := range l.connections {
		total += c.done.Load()
	}
	return total
}

// failure tells of a request that was not answered by 200.
func (l *loader) failure() error {
	for _, c := range l.connections {
		if status := c.status.Load(); status != 0 {
			return fmt.Errorf("a request was answered by %d instead of 200", status)
		}
	}
	return nil
}

// closedLoop keeps every connection busy: each sends its next request when the
// last one is answered. During that it calls measure.
func (l *loader) closedLoop(ctx context.Context, measure func()) error {
	var stop atomic.Bool
	var workers sync.WaitGroup
	for _, c := range l.connections {
		spawn(&workers, func() {
			for !stop.Load() && c.status.Load() == 0 {
				c.send(ctx)
			}
		})
	}
	measure()
	stop.Store(true)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.failure()
}

// pause waits unless the context ends before.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// spawn is sync.WaitGroup.Go, which Go 1.24 does not have.
func spawn(group *sync.WaitGroup, f func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		f()
	}()
}
