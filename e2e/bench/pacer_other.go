//go:build !linux

package bench

import "time"

// newPacer ticks at a fixed interval.
func newPacer(interval time.Duration) (pacer, error) {
	return &sleepingPacer{interval: interval, last: time.Now()}, nil
}

type sleepingPacer struct {
	interval time.Duration
	last     time.Time // the interval that wait returned last
}

// wait returns how many intervals have passed since it last did.
func (p *sleepingPacer) wait() (int, error) {
	time.Sleep(time.Until(p.last.Add(p.interval)))
	passed := int(time.Since(p.last) / p.interval)
	p.last = p.last.Add(time.Duration(passed) * p.interval)
	return passed, nil
}

func (p *sleepingPacer) close() {}
