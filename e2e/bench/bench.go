// Package bench measures the plugin beside other ways to put a token into a
// request, all in one Envoy process, and writes what it found.
package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"token-fetch/e2e/envoy"
)

// Options say how much is measured.
type Options struct {
	Root        string         // folder of main.wasm
	Out         string         // folder for the report
	Rounds      int            // of each measurement; the median counts
	Duration    time.Duration  // of one candidate in one round
	Connections int            // that are kept busy
	Only        *regexp.Regexp // candidates to measure; nil for all
	Quick       bool           // one short start and few requests where the flags above have no say
	Progress    io.Writer      // gets a line for each step
	Terminal    bool           // Progress is one: the line is rewritten
	Command     string         // for the report: how the run was started
}

type bench struct {
	Options
	dir     string // for configurations, removed at the end
	binary  string // Envoy
	modules modules
	backend *backend
	began   time.Time
}

// starts is how often Envoy is started to measure its start.
func (b *bench) starts() int {
	if b.Quick {
		return 1
	}
	return 3
}

// slowServiceRequests is how many requests the slow token service is measured with.
func (b *bench) slowServiceRequests() int {
	if b.Quick {
		return 500
	}
	return 10_000
}

// Run measures everything and returns the report.
func Run(ctx context.Context, options Options) (*Report, error) {
	var report *Report
	err := with(ctx, options, benchCandidates(), func(b *bench, candidates []candidate) (err error) {
		report, err = b.measure(ctx, candidates)
		return err
	})
	return report, err
}

// with prepares what every run needs, and cleans up after it.
func with(ctx context.Context, options Options, all []candidate, run func(*bench, []candidate) error) error {
	candidates := matching(all, options.Only)
	if len(candidates) == 0 {
		return errors.New("no candidate has such a name")
	}
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return err
	}
	b := &bench{Options: options, modules: modules{root: root}, began: time.Now()}
	if b.dir, err = os.MkdirTemp("", "token-fetch-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.binary, err = envoy.FindContext(ctx, root, func(message string) { b.step("%s", message) }); err != nil {
		return err
	}
	b.step("building the plugins to compare with")
	if err := b.modules.build(ctx, candidates); err != nil {
		return err
	}
	if b.backend, err = b.startBackend(ctx); err != nil {
		return err
	}
	defer func() { _ = b.backend.Stop() }()
	defer leaveCores()()
	return run(b, candidates)
}

// leaveCores keeps the client to the cores that neither Envoy needs: Go would
// otherwise look for work on all of them.
func leaveCores() (restore func()) {
	before := runtime.GOMAXPROCS(max(1, runtime.NumCPU()-2))
	return func() { runtime.GOMAXPROCS(before) }
}

func (b *bench) measure(ctx context.Context, candidates []candidate) (*Report, error) {
	report := &Report{Options: b.Options, Began: b.began}
	err := b.measureRequests(ctx, candidates, report)
	if err != nil {
		return nil, err
	}
	// The Envoy with all candidates is stopped: it is not in the way of what follows.
	if report.SlowService, err = b.slowService(ctx, candidates); err != nil {
		return nil, err
	}
	if report.Footprints, err = b.footprints(ctx, candidates); err != nil {
		return nil, err
	}
	report.Took = time.Since(b.began)
	return report, nil
}

// measureRequests has the candidates side by side in one Envoy.
func (b *bench) measureRequests(ctx context.Context, candidates []candidate, report *Report) error {
	s, err := b.ready(ctx, candidates)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }()
	restore, separate := separateCores(s.PID(), b.backend.PID())
	defer restore()
	report.Separate = separate
	if report.Machine, err = describeMachine(s.Process); err != nil {
		return err
	}
	if report.Throughput, err = b.throughputRounds(ctx, s); err != nil {
		return s.explain(err)
	}
	report.Latencies, err = b.latencies(ctx, s, report.Throughput)
	return s.explain(err)
}

// ready starts the Envoy with all candidates and checks that each does its work.
func (b *bench) ready(ctx context.Context, candidates []candidate) (*stage, error) {
	b.step("starting Envoy with %d candidates", len(candidates))
	s, err := b.startMeasured(ctx, candidates, 1, b.backend.fast)
	if err != nil {
		return nil, err
	}
	for _, c := range candidates {
		if err := s.verify(ctx, c); err != nil {
			err = s.explain(err)
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}
