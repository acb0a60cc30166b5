package harness

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// updateLimit bounds the wait for a changed configuration: it includes the
// compilation of the plugin when its VM is a new one.
const updateLimit = 30 * time.Second

func (g *Gateway) drainArguments() []string {
	seconds := max(1, int(g.options.Drain/time.Second))
	return []string{
		"--drain-time-s", strconv.Itoa(seconds),
		"--parent-shutdown-time-s", strconv.Itoa(seconds + 1),
		"--drain-strategy", "immediate",
	}
}

// Update replaces the plugin's configuration in the running Envoy. It returns
// when every worker serves with the new one and the old one is gone, which takes
// about as long as Options.Drain; requests that still wait then are cut.
func (g *Gateway) Update(t testing.TB, config any) {
	t.Helper()
	before, after := g.push(t, config)
	if after["update_rejected"] != before["update_rejected"] {
		t.Fatalf("the configuration was refused")
	}
	g.options.Config = config
	// The workers take the new listener before the drain of the old one begins,
	// and its end is counted only once every worker has dropped it.
	g.poll(t, updateLimit, "the old configuration has drained", func(stats map[string]int) bool {
		return stats["total_listeners_warming"] == 0 && stats["total_listeners_draining"] == 0 &&
			stats["total_filter_chains_draining"] == 0
	})
	g.clients.closeIdle()
}

// UpdateRefused sends a configuration that Envoy must refuse, and returns what
// Envoy logged meanwhile. The gateway goes on with the configuration it had.
func (g *Gateway) UpdateRefused(t testing.TB, config any) (log string) {
	t.Helper()
	logged := len(g.Log())
	before, after := g.push(t, config)
	if after["update_rejected"] == before["update_rejected"] {
		t.Fatalf("the configuration was accepted")
	}
	return g.refusalLog(logged)
}

// refusalLog is the log from an offset to the line that ends a refusal, which
// may come through Envoy's output a moment later than the statistic.
func (g *Gateway) refusalLog(from int) string {
	deadline := time.Now().Add(time.Second)
	for !strings.Contains(g.Log()[from:], "config update rejected") && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	return g.Log()[from:]
}

// push writes the listener's file and returns the listener manager's statistics
// before it and once Envoy has accepted or refused the file.
func (g *Gateway) push(t testing.TB, config any) (before, after map[string]int) {
	t.Helper()
	before = g.listenerStats(t)
	g.version++
	options := g.options
	options.Config = config
	if err := g.files.writeListener(options, g.version); err != nil {
		t.Fatal(err)
	}
	after = g.poll(t, updateLimit, "envoy has read the configuration", func(stats map[string]int) bool {
		return stats["update_success"]+stats["update_rejected"] > before["update_success"]+before["update_rejected"]
	})
	return before, after
}

func (g *Gateway) poll(t testing.TB, limit time.Duration, what string, done func(map[string]int) bool) map[string]int {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		stats := g.listenerStats(t)
		if done(stats) {
			return stats
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", limit, what, stats)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// listenerStats are the listener manager's numbers of one moment, by the last
// part of their names.
func (g *Gateway) listenerStats(t testing.TB) map[string]int {
	t.Helper()
	numbers := map[string]int{}
	for name, text := range g.Stats(t, `^listener_manager\.(lds\.update_(success|rejected)|total_)`) {
		number, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("statistic %s: %v", name, err)
		}
		numbers[name[strings.LastIndex(name, ".")+1:]] = number
	}
	return numbers
}
