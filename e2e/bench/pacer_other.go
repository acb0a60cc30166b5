//go:build !linux

package bench

import "time"

// pacer waits for points in time with Go's timers.
type pacer struct{}

func newPacer() (*pacer, error) { return &pacer{}, nil }

func (*pacer) waitUntil(at time.Time) error {
	time.Sleep(time.Until(at))
	return nil
}

func (*pacer) close() {}
