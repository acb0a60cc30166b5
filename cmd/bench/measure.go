package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"token-fetch/e2e/envoy"
)

// bench is a run of the benchmark.
type bench struct {
	options
	envoy    string // the binary
	dir      string // of configurations, temporary
	backend  *envoy.Process
	machine  [][]string  // rows that describe it
	separate bool        // the measured Envoy has a core of its own
	measured []candidate // with requests
	started  []candidate // by their start
	results  results
}

func (b *bench) step(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// run measures everything.
func (b *bench) run(ctx context.Context) (err error) {
	b.results = results{}
	if err := b.choose(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "token-fetch-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.envoy, err = envoy.FindContext(ctx, b.root, func(message string) { b.step("%s", message) }); err != nil {
		return err
	}
	if err := b.startBackend(ctx); err != nil {
		return err
	}
	defer func() { _ = b.backend.Stop() }()
	if cpuTime(b.backend.PID()) == 0 {
		return errors.New("can't measure the CPU of Envoy: there is no /proc/PID/task/TID/schedstat (want Linux)")
	}
	if err := b.requests(ctx); err != nil {
		return err
	}
	return b.starts(ctx)
}

// choose selects the candidates; if another build is compared, only those of the plugin.
func (b *bench) choose() error {
	all, err := candidates()
	if err != nil {
		return err
	}
	isOther := func(c candidate) bool { return b.only != nil && !b.only.MatchString(c.Name) }
	b.measured, b.started = slices.DeleteFunc(all, isOther), slices.DeleteFunc(started(), isOther)
	if b.only == nil {
		b.started = append(b.where(func(c candidate) bool { return c.Name == hello || c.Name == cached }), b.started...)
	}
	if b.against != "" {
		b.measured, b.started = twice(b.measured), twice(b.started)
	}
	if len(b.measured)+len(b.started) == 0 {
		return errors.New("no candidate has such a name")
	}
	return nil
}

// twice returns the candidates of the plugin, each with both builds.
func twice(all []candidate) (both []candidate) {
	for _, c := range all {
		if c.isPlugin() {
			old := c
			old.Name, old.module = c.Name+oldSuffix, oldModule
			both = append(both, c, old)
		}
	}
	return both
}

const oldSuffix = ", the other build"

// requests measures all candidates in one Envoy with one worker.
func (b *bench) requests(ctx context.Context) error {
	if len(b.measured) == 0 {
		return nil
	}
	b.step("starting Envoy with %d candidates", len(b.measured))
	s, err := b.stage(ctx, b.measured, 1)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }()
	for _, c := range b.measured {
		if err := s.verify(ctx, c); err != nil {
			return s.explain(err)
		}
	}
	if b.machine, err = describeMachine(s.Process); err != nil {
		return err
	}
	var restore func()
	b.separate, restore = separateCores(s.PID(), b.backend.PID())
	defer restore()
	if err := b.closedLoops(ctx, s); err != nil {
		return s.explain(err)
	}
	return s.explain(b.openLoops(ctx, s, b.where(func(c candidate) bool { return c.Name == router || c.Name == cached })))
}

// connections is how many are kept busy.
const connections = 16

// settle is how long the load runs before measuring, while connections open and the queue in front of Envoy fills.
const settle = 200 * time.Millisecond

// closedLoops measures all candidates in each round, so that changes of the machine over time affect all of them, and
// reverses the order after each round.
func (b *bench) closedLoops(ctx context.Context, s *stage) error {
	order := slices.Clone(b.measured)
	for round := range b.rounds + 1 {
		for _, c := range order {
			throughput, err := b.saturate(ctx, s, c, round > 0) // in the first, V8 still optimizes hot code
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			b.step("round %d/%d %s … %.0f req/s", round, b.rounds, c.Name, throughput)
		}
		slices.Reverse(order)
	}
	for _, c := range b.measured {
		if err := b.countCalls(s, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) saturate(ctx context.Context, s *stage, c candidate, counts bool) (throughput float64, err error) {
	load, err := s.loader(c, connections)
	if err != nil {
		return 0, err
	}
	defer load.close()
	err = load.closedLoop(ctx, func() {
		pause(ctx, settle)
		start, requests := time.Now(), load.done.Load()
		before := cpuTime(s.PID())
		pause(ctx, b.duration)
		used := cpuTime(s.PID()) - before
		answered := float64(load.done.Load() - requests)
		throughput = answered / time.Since(start).Seconds()
		if counts {
			b.results.add(c.Name, rate, throughput)
			b.results.add(c.Name, cpu, used.Seconds()*1e6/answered)
		}
	})
	return throughput, err
}

const (
	// openRounds is the number of rounds per round of the closed loop, each of half its duration.
	openRounds = 4
	// openWindow fits a few hundred requests, and is short enough for most windows to be undisturbed.
	openWindow = 25 * time.Millisecond
)

// openLoops sends half of what the plugin can serve with a cached token.
func (b *bench) openLoops(ctx context.Context, s *stage, compared []candidate) error {
	if len(compared) < 2 {
		return nil
	}
	half := b.results[cached][rate].median() / 2
	for round := range openRounds * b.rounds {
		for _, c := range compared {
			samples, err := s.open(ctx, c, connections, half, int(half*settle.Seconds()), int(half*b.duration.Seconds()/2), uint64(round+1))
			if err != nil {
				return err
			}
			b.results.add(c.Name, p50, undisturbed(samples, openWindow, 0.50))
			b.results.add(c.Name, p99, undisturbed(samples, openWindow, 0.99))
			b.step("latency %d/%d %s … at %.0f req/s", round+1, openRounds*b.rounds, c.Name, half)
		}
	}
	return nil
}

// open runs an open loop, after some requests that open the connections.
func (s *stage) open(ctx context.Context, c candidate, connections int, rate float64, first, count int, seed uint64) ([]sent, error) {
	load, err := s.loader(c, connections)
	if err != nil {
		return nil, err
	}
	defer load.close()
	if _, err = load.openLoop(ctx, rate, first, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	samples, err := load.openLoop(ctx, rate, count, seed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return samples, nil
}

// moreWorkers is the number of workers of the Envoy whose memory is compared with that of one with a single worker.
const moreWorkers = 3

// starts measures each candidate alone in an Envoy.
func (b *bench) starts(ctx context.Context) error {
	for round := range b.startRounds {
		for _, c := range b.started {
			module, err := os.Stat(b.modulePath(c.module))
			if err != nil {
				return err
			}
			startup, small, err := b.alone(ctx, c, 1)
			if err != nil {
				return err
			}
			_, large, err := b.alone(ctx, c, moreWorkers)
			if err != nil {
				return err
			}
			b.results.add(c.Name, ready, startup.Seconds())
			b.results.add(c.Name, memory, (large-small)/(moreWorkers-1))
			b.results.add(c.Name, size, float64(module.Size())/1e6)
			b.step("start %d/%d %s … ready in %.2f s", round+1, b.startRounds, c.Name, startup.Seconds())
		}
	}
	return nil
}

// alone returns how long Envoy took until it was live, and its memory after requests to all workers.
func (b *bench) alone(ctx context.Context, c candidate, workers int) (startup time.Duration, megabytes float64, err error) {
	s, err := b.stage(ctx, []candidate{c}, workers)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.Stop() }()
	// Connections are spread randomly: with that many, each worker gets some. There are enough requests for Go to collect
	// garbage: until then its heap only grows.
	_, err = s.open(ctx, c, 30*workers, math.Inf(1), 0, 5000*workers, 1)
	return s.ready, residentMB(s.PID()), s.explain(err)
}
