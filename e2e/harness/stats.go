package harness

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ActiveVMs is the statistic of the plugin's VMs: one per worker, and the one they were cloned from.
const ActiveVMs = "wasm.envoy.wasm.runtime.v8.active"

// ownPrefix begins the names of the plugin's own statistics.
const ownPrefix = "wasmcustom.token_fetch."

// Stats are the Envoy statistics, of one moment, whose names match the regular expression.
// A histogram's value is Envoy's own text.
func (g *Gateway) Stats(t testing.TB, expression string) map[string]string {
	t.Helper()
	stats := map[string]string{}
	for line := range strings.Lines(g.Admin(t, "/stats?filter="+url.QueryEscape(expression))) {
		name, value, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found {
			stats[name] = value
		}
	}
	return stats
}

// Stat returns one Envoy statistic by its full name, empty if there is none.
func (g *Gateway) Stat(t testing.TB, name string) string {
	t.Helper()
	return g.Stats(t, "^"+regexp.QuoteMeta(name)+"$")[name]
}

// WaitStat returns once an Envoy statistic has the value.
func (g *Gateway) WaitStat(t testing.TB, name, want string) {
	t.Helper()
	Eventually(t, Limit, func() error {
		if value := g.Stat(t, name); value != want {
			return fmt.Errorf("%s is %q, want %q", name, value, want)
		}
		return nil
	})
}

// WaitActive returns once that many requests are in the gateway: those that have arrived and have been neither answered
// nor given up.
func (g *Gateway) WaitActive(t testing.TB, want int) {
	t.Helper()
	g.WaitStat(t, "http.gateway.downstream_rq_active", strconv.Itoa(want))
}

// Counter is the plugin's own counter of that name.
func (g *Gateway) Counter(t testing.TB, name string) int {
	t.Helper()
	return g.Counters(t, Counters{name: 0})[name]
}

// WaitCounter returns once the plugin's own counter of that name is want.
func (g *Gateway) WaitCounter(t testing.TB, name string, want int) {
	t.Helper()
	g.WaitGrowth(t, Counters{}, Counters{name: want})
}

// Counters are some of the plugin's own counters, by their names.
type Counters map[string]int

// Counters reads the counters that want names, all at one moment. One that the plugin does not have fails the test.
func (g *Gateway) Counters(t testing.TB, want Counters) Counters {
	t.Helper()
	stats := g.Stats(t, "^"+ownPrefix)
	values := Counters{}
	for name := range want {
		value, err := strconv.Atoi(stats[ownPrefix+name])
		if err != nil {
			t.Fatalf("counter %s is %q", name, stats[ownPrefix+name])
		}
		values[name] = value
	}
	return values
}

// WaitGrowth returns once the counters have grown by want since before. The plugin writes all of them at once, so one
// that must not grow is checked with the others.
func (g *Gateway) WaitGrowth(t testing.TB, before, want Counters) {
	t.Helper()
	Eventually(t, Limit, func() error {
		grown := g.Counters(t, want)
		for name := range grown {
			grown[name] -= before[name]
		}
		if !maps.Equal(grown, want) {
			return fmt.Errorf("counters grew by %v, want %v", grown, want)
		}
		return nil
	})
}

// SettledCounters reads the counters named in want after the plugin has written earlier events, which it does every
// tenth of a second.
func (g *Gateway) SettledCounters(t testing.TB, want Counters) Counters {
	t.Helper()
	const calm = 300 * time.Millisecond
	values, since := g.Counters(t, want), time.Now()
	Eventually(t, Limit, func() error {
		if now := g.Counters(t, want); !maps.Equal(now, values) {
			values, since = now, time.Now()
		}
		if time.Since(since) < calm {
			return fmt.Errorf("the counters still change: %v", values)
		}
		return nil
	})
	return values
}

// Admin is the answer to a GET on Envoy's admin interface.
func (g *Gateway) Admin(t testing.TB, path string) string {
	t.Helper()
	body, err := g.process.Get(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// WaitLog returns once Envoy has logged the text.
func (g *Gateway) WaitLog(t testing.TB, text string) {
	t.Helper()
	Eventually(t, Limit, func() error {
		if !g.LogContains(text) {
			return fmt.Errorf("envoy has not logged %q", text)
		}
		return nil
	})
}
