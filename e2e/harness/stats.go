package harness

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counterLimit bounds the wait for a counter: the plugin writes them at most a
// second late, Envoy's own are at once.
const counterLimit = 3 * time.Second

// Stats are the Envoy statistics, of one moment, whose names match the regular expression.
// A histogram's value is Envoy's own text.
func (g *Gateway) Stats(t testing.TB, expression string) map[string]string {
	t.Helper()
	body, err := g.process.Get("/stats?filter=" + url.QueryEscape(expression))
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]string{}
	for line := range strings.Lines(body) {
		name, value, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found {
			stats[name] = value
		}
	}
	return stats
}

// Stat is one Envoy statistic by its full name, empty when there is none.
func (g *Gateway) Stat(t testing.TB, name string) string {
	t.Helper()
	return g.Stats(t, "^"+regexp.QuoteMeta(name)+"$")[name]
}

// Counter is the plugin's own counter of that name, 0 when there is none yet.
func (g *Gateway) Counter(t testing.TB, name string) int {
	t.Helper()
	text := g.Stat(t, "wasmcustom.token_fetch."+name)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("counter %s: %v", name, err)
	}
	return value
}

// WaitCounter returns once the plugin's own counter of that name is want, and
// fails the test when it is not within three seconds.
func (g *Gateway) WaitCounter(t testing.TB, name string, want int) {
	t.Helper()
	deadline := time.Now().Add(counterLimit)
	for {
		value := g.Counter(t, name)
		if value == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("counter %s is %d after %s, want %d", name, value, counterLimit, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Scrape is what Prometheus gets of Envoy.
func (g *Gateway) Scrape(t testing.TB) string {
	t.Helper()
	body, err := g.process.Get("/stats/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// WaitLog returns once Envoy has logged the text, and fails the test when it does not within three seconds.
func (g *Gateway) WaitLog(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(counterLimit); !g.LogContains(text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("envoy has not logged %q within %s", text, counterLimit)
		}
	}
}
