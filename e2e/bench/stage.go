package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"token-fetch/e2e/envoy"
)

// starting is how long an Envoy with a dozen Wasm VMs may take to compile them.
const starting = 5 * time.Minute

// backend is the Envoy that plays token service and upstream.
type backend struct {
	*envoy.Process
	fast, slow string // ports; slow answers late
}

// stage is a measured Envoy in front of a backend.
type stage struct {
	*envoy.Process
	candidates []candidate
	ready      time.Duration // from the start of the process until it was live
}

// slowness is how long the slow token service takes.
const slowness = 50 * time.Millisecond

func (b *bench) startBackend(ctx context.Context) (*backend, error) {
	config, err := backendConfig(b.dir, slowness)
	if err != nil {
		return nil, err
	}
	process, err := envoy.StartContext(ctx, envoy.Options{Binary: b.binary, Config: config})
	if err != nil {
		return nil, fmt.Errorf("token service and upstream: %w", err)
	}
	found := &backend{Process: process}
	for name, port := range map[string]*string{"fast": &found.fast, "slow": &found.slow} {
		address, err := process.ListenerAddress(name)
		if err == nil {
			_, *port, err = net.SplitHostPort(address)
		}
		if err != nil {
			return nil, errors.Join(err, process.Stop())
		}
	}
	return found, nil
}

// startMeasured starts an Envoy with one listener for each candidate. Wasm code
// logs at the level of a gateway in production: what is below is formatted, if
// the plugin does so, but not written.
func (b *bench) startMeasured(ctx context.Context, candidates []candidate, workers int, tokenPort string) (*stage, error) {
	config, err := measuredConfig(b.dir, candidates, b.modules, tokenPort, b.backend.fast)
	if err != nil {
		return nil, err
	}
	defer os.Remove(config)
	start := time.Now()
	process, err := envoy.StartContext(ctx, envoy.Options{
		Binary: b.binary, Config: config, Concurrency: workers, WasmLog: "warn", Ready: starting,
	})
	if err != nil {
		return nil, err
	}
	return &stage{Process: process, candidates: candidates, ready: time.Since(start)}, nil
}

// explain adds to an error what Envoy has logged, which is little at its level.
func (s *stage) explain(err error) error {
	if err == nil || strings.TrimSpace(s.Log()) == "" {
		return err
	}
	lines := strings.Split(strings.TrimSpace(s.Log()), "\n")
	return fmt.Errorf("%w; the last lines of Envoy's log:\n%s", err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
}

// loader connects to a candidate's listener.
func (s *stage) loader(c candidate, connections int) (*loader, error) {
	address, err := s.ListenerAddress(c.Slug())
	if err != nil {
		return nil, err
	}
	return newLoader(address, connections, c.user)
}

// verify makes sure that the upstream gets what the candidate promises. A filter
// that fetches its token in the background may need a moment for the first.
func (s *stage) verify(ctx context.Context, c candidate) error {
	address, err := s.ListenerAddress(c.Slug())
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Second); ; pause(ctx, 50*time.Millisecond) {
		err = echoes(ctx, address, c.Wants)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not work: %w", c.Name, err)
		}
	}
}

// echoes asks the upstream which headers it got.
func echoes(ctx context.Context, address, wants string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/echo", nil)
	if err != nil {
		return err
	}
	request.Host = requestHost
	for _, header := range requestHeaders(user) {
		request.Header.Set(header[0], header[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered by %s", response.Status)
	}
	name, value, found := strings.Cut(wants, ": ")
	if got := response.Header.Get("echo-" + name); found && got != value {
		return fmt.Errorf("the upstream got %s %q instead of %q", name, got, value)
	}
	return nil
}

// counts are what Envoy has counted for a candidate.
type counts struct{ requests, tokenCalls int64 }

func (s *stage) counts(c candidate) (counts, error) {
	text, err := s.Get("/stats?filter=" + c.Slug())
	if err != nil {
		return counts{}, err
	}
	return counts{
		requests:   counter(text, "http."+c.Slug()+".downstream_rq_total"),
		tokenCalls: counter(text, "cluster."+c.Slug()+".upstream_rq_total"),
	}, nil
}

// counter reads one line of /stats; a counter that was never used is not there.
func counter(text, name string) int64 {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+": "); found {
			count, _ := strconv.ParseInt(value, 10, 64)
			return count
		}
	}
	return 0
}
