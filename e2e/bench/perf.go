package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// split is where the samples of a process were taken, as parts of 1.
type split struct {
	Kernel float64 // sockets, epoll, loopback
	Envoy  float64 // the binary, V8's own code among it, and its libraries
	Wasm   float64 // machine code that V8 made of the module
}

var unknownSplit = split{Kernel: math.NaN(), Envoy: math.NaN(), Wasm: math.NaN()}

// sampled runs perf on the measured Envoy while it is under load.
func (b *bench) sampled(ctx context.Context, s *stage, c candidate) (split, error) {
	load, err := s.loader(c, b.Connections)
	if err != nil {
		return unknownSplit, err
	}
	defer load.close()
	result := unknownSplit
	var perfErr error
	err = load.closedLoop(ctx, func() {
		pause(ctx, settle)
		result, perfErr = b.perf(ctx, s.PID())
	})
	if err != nil {
		return unknownSplit, err
	}
	return result, perfErr
}

// perf samples by the CPU clock: hardware counters are missing in most virtual machines.
func (b *bench) perf(ctx context.Context, pid int) (split, error) {
	file := filepath.Join(b.dir, "perf.data")
	record := exec.CommandContext(ctx, "perf", "record", "-q", "-e", "cpu-clock", "-F", "1999",
		"-p", strconv.Itoa(pid), "-o", file, "--", "sleep", fmt.Sprintf("%g", b.Duration.Seconds()))
	if _, err := output(record); err != nil {
		return unknownSplit, err
	}
	text, err := output(exec.CommandContext(ctx, "perf", "report", "-i", file, "--stdio", "--sort", "dso"))
	if err != nil {
		return unknownSplit, err
	}
	return readSplit(text), nil
}

// readSplit reads lines such as "62.99%  envoy".
func readSplit(text []byte) split {
	var found split
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		percent, object, isSample := strings.Cut(strings.TrimSpace(lines.Text()), "%")
		share, err := strconv.ParseFloat(percent, 64)
		if !isSample || err != nil {
			continue
		}
		switch object = strings.TrimSpace(object); {
		case strings.HasPrefix(object, "[kernel"), strings.HasPrefix(object, "[guest.kernel"):
			found.Kernel += share / 100
		case strings.HasPrefix(object, "[JIT]"), strings.HasPrefix(object, "[unknown]"), strings.HasPrefix(object, "//anon"):
			found.Wasm += share / 100
		default:
			found.Envoy += share / 100
		}
	}
	return found
}
