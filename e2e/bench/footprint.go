package bench

import (
	"context"
	"fmt"
	"math"
)

// moreWorkers is how many workers the larger Envoy has; the smaller has one.
const moreWorkers = 3

// footprint is what a plugin costs before the first request.
type footprint struct {
	candidate
	Size      float64 // bytes of the module
	Ready     series  // seconds from the start of Envoy until it is live
	PerWorker series  // bytes of memory that each further worker takes
}

// footprints compares the plugin with the wrapper's hello-world, and few rules with many, each
// alone in an Envoy.
func (b *bench) footprints(ctx context.Context, all []candidate) ([]footprint, error) {
	compared := named(all, hello, cached)
	if len(compared) == 2 {
		compared = append(compared, startCandidates()...)
	} else if compared = matching(startCandidates(), b.Only); b.Only == nil || len(compared) < 2 {
		return nil, nil
	}
	results := make([]footprint, len(compared))
	for round := 1; round <= b.starts(); round++ {
		for i, c := range compared {
			results[i].candidate = c
			if err := b.start(ctx, &results[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			b.step("start %d/%d %s … ready in %.2f s", round, b.starts(), c.Name, results[i].Ready[round-1])
		}
	}
	for i, c := range compared {
		size, err := b.modules.size(c.module)
		if err != nil {
			return nil, err
		}
		results[i].Size = float64(size)
	}
	return results, nil
}

func (b *bench) start(ctx context.Context, f *footprint) error {
	ready, small, err := b.startAlone(ctx, f.candidate, 1)
	if err != nil {
		return err
	}
	_, large, err := b.startAlone(ctx, f.candidate, moreWorkers)
	if err != nil {
		return err
	}
	f.Ready = append(f.Ready, ready)
	f.PerWorker = append(f.PerWorker, (large-small)/(moreWorkers-1))
	return nil
}

// startAlone returns the seconds until Envoy was live and its memory in bytes
// after some requests to each worker (NaN where it cannot be measured).
func (b *bench) startAlone(ctx context.Context, c candidate, workers int) (ready, memory float64, err error) {
	s, err := b.startMeasured(ctx, []candidate{c}, workers, b.backend.fast)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.Stop() }()
	// Connections spread by chance over the workers: with so many each gets some.
	load, err := s.loader(c, 30*workers)
	if err != nil {
		return 0, 0, err
	}
	defer load.close()
	// So many that Go has collected its garbage: until then its heap only grows.
	if err := load.burst(ctx, 5000*workers); err != nil {
		return 0, 0, err
	}
	resident, known := residentBytes(s.PID())
	if !known {
		return s.ready.Seconds(), math.NaN(), nil
	}
	return s.ready.Seconds(), float64(resident), nil
}
