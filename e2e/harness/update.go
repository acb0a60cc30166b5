package harness

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// updateLimit bounds the wait for a changed configuration: it includes the
// compilation of the plugin when its VM is a new one.
const updateLimit = 30 * time.Second

func (g *Gateway) drainArguments() []string {
	seconds := int(g.options.Drain / time.Second)
	return []string{
		"--drain-time-s", strconv.Itoa(seconds),
		"--parent-shutdown-time-s", strconv.Itoa(seconds + 1),
		"--drain-strategy", "immediate",
	}
}

// Update replaces the plugin's configuration in the running Envoy. It returns
// when every worker serves with the new one and the old one is gone, which takes
// about as long as Options.Drain; requests that still wait then are cut. With ECDS
// it returns at once, and nothing is cut: requests stay with the old configuration.
func (g *Gateway) Update(t testing.TB, config any) {
	t.Helper()
	g.Replace(t, config)
	if g.options.ECDS {
		return
	}
	// The workers take the new listener before the drain of the old one begins,
	// and its end is counted only once every worker has dropped it.
	Eventually(t, updateLimit, func() error {
		stats := g.updateStats(t)
		if stats["total_listeners_warming"]+stats["total_listeners_draining"]+stats["total_filter_chains_draining"] != 0 {
			return fmt.Errorf("the old configuration is still there: %v", stats)
		}
		return nil
	})
	g.clients.closeIdle()
}

// Replace is Update without the wait for the old configuration's end.
func (g *Gateway) Replace(t testing.TB, config any) {
	t.Helper()
	before, after := g.push(t, config)
	if after["update_rejected"] != before["update_rejected"] {
		t.Fatalf("the configuration was refused")
	}
	g.options.Config = config
}

// UpdateRefused sends a configuration that Envoy must reject, and returns what
// Envoy logged meanwhile. The gateway keeps its previous configuration.
func (g *Gateway) UpdateRefused(t testing.TB, config any) (log string) {
	t.Helper()
	logged := len(g.Log())
	before, after := g.push(t, config)
	if after["update_rejected"] == before["update_rejected"] {
		t.Fatalf("the configuration was accepted")
	}
	return g.refusalLog(logged)
}

// CheckRefuses checks that the plugin does not start with a configuration, and says why in exactly these words.
func (g *Gateway) CheckRefuses(t testing.TB, config any, want string) {
	t.Helper()
	if got := StartError(g.UpdateRefused(t, config)); got != want {
		t.Errorf("the plugin says %q, want %q", got, want)
	}
}

// StartError is what the plugin has logged about why it does not start, "" when nothing.
func StartError(log string) string {
	_, text, _ := strings.Cut(log, "the plugin does not start: ")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// SetTokenCluster adds the cluster of token.static to the running Envoy, or removes it.
func (g *Gateway) SetTokenCluster(t testing.TB, present bool) {
	t.Helper()
	const names = `^cluster_manager\.(cds\.update_success|warming_clusters)$`
	before := g.numbers(t, names)
	if err := g.files.writeClusters(g.tokenClusters(present)); err != nil {
		t.Fatal(err)
	}
	Eventually(t, updateLimit, func() error {
		stats := g.numbers(t, names)
		if stats["update_success"] == before["update_success"] || stats["warming_clusters"] != 0 {
			return fmt.Errorf("envoy has not taken the clusters: %v", stats)
		}
		return nil
	})
}

// refusalLog is the log from an offset to the line that ends a refusal, which
// may come through Envoy's output a moment later than the statistic.
func (g *Gateway) refusalLog(from int) string {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(g.Log()[from:], "config update rejected") {
			break
		}
	}
	return g.Log()[from:]
}

// push writes the plugin's configuration and returns the statistics of updates
// before it and once Envoy has accepted or refused it.
func (g *Gateway) push(t testing.TB, config any) (before, after map[string]int) {
	t.Helper()
	before = g.updateStats(t)
	options := g.options
	options.Config = config
	if err := g.files.writePlugin(options); err != nil {
		t.Fatal(err)
	}
	Eventually(t, updateLimit, func() error {
		after = g.updateStats(t)
		if after["update_success"]+after["update_rejected"] == before["update_success"]+before["update_rejected"] {
			return fmt.Errorf("envoy has not read the configuration: %v", after)
		}
		return nil
	})
	return before, after
}

// updateStats are the numbers of what brings the plugin's configuration, of one
// moment, by the last part of their names.
func (g *Gateway) updateStats(t testing.TB) map[string]int {
	t.Helper()
	if g.options.ECDS {
		return g.numbers(t, `\bextension_config_discovery\.(upstream_)?http_filter\.token-fetch\.update_(success|rejected)$`)
	}
	return g.numbers(t, `^listener_manager\.(lds\.update_(success|rejected)|total_)`)
}

func (g *Gateway) numbers(t testing.TB, expression string) map[string]int {
	t.Helper()
	numbers := map[string]int{}
	for name, text := range g.Stats(t, expression) {
		number, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("statistic %s: %v", name, err)
		}
		numbers[name[strings.LastIndex(name, ".")+1:]] = number
	}
	return numbers
}
