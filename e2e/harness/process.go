package harness

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Tell does a POST on Envoy's admin interface.
func (g *Gateway) Tell(t testing.TB, path string) {
	t.Helper()
	if err := g.process.Post(path); err != nil {
		t.Fatal(err)
	}
}

// Signal sends a signal to the Envoy process.
func (g *Gateway) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := g.process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// CheckEnds fails the test when Envoy does not end within the limit, with exit status 0.
func (g *Gateway) CheckEnds(t testing.TB, limit time.Duration) {
	t.Helper()
	if err := g.process.Wait(limit); err != nil {
		t.Errorf("envoy was told to end: %v", err)
	}
}

// MemoryKB is the resident memory of the Envoy process.
func (g *Gateway) MemoryKB(t testing.TB) int {
	t.Helper()
	return statusNumber(t, fmt.Sprintf("/proc/%d/status", g.process.PID()), "VmRSS")
}

// Wakeups returns the wake-ups per second of the busiest worker thread, measured for some time. In an idle
// gateway, they are the cost of timers.
func (g *Gateway) Wakeups(t testing.TB, duration time.Duration) float64 {
	t.Helper()
	before := g.workerSwitches(t)
	start := time.Now()
	time.Sleep(duration)
	after, took := g.workerSwitches(t), time.Since(start)
	busiest := 0
	for thread := range after {
		busiest = max(busiest, after[thread]-before[thread])
	}
	return float64(busiest) / took.Seconds()
}

// workerSwitches returns the voluntary context switches of each worker thread, which occur when it waits for
// events.
func (g *Gateway) workerSwitches(t testing.TB) map[string]int {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", g.process.PID()))
	if err != nil {
		t.Fatal(err)
	}
	switches := map[string]int{}
	for _, thread := range threads {
		name, err := os.ReadFile(filepath.Join(thread, "comm"))
		if err == nil && strings.HasPrefix(string(name), "wrk:worker_") {
			switches[thread] = statusNumber(t, filepath.Join(thread, "status"), "voluntary_ctxt_switches")
		}
	}
	if len(switches) != max(g.options.Workers, 1) {
		t.Fatalf("%d threads of Envoy are workers, want %d", len(switches), max(g.options.Workers, 1))
	}
	return switches
}

// statusNumber reads a number from a status file of /proc.
func statusNumber(t testing.TB, path, name string) int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == name+":" {
			number, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
	}
	t.Fatalf("no %s in %s", name, path)
	return 0
}
