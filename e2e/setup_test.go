package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// limit bounds every wait of these tests for something that should happen. It is
// generous for a busy machine of two cores.
const limit = 10 * time.Second

// sampleConfig is a configuration for the guide's sample.
func sampleConfig() map[string]any {
	return map[string]any{
		"serviceName": harness.TokenName,
		"servicePort": 80,
		"requestPath": "/token",
		"tokenHeader": "X-Token",
	}
}

// merged is a copy of base in which the keys of more are set.
func merged(base, more map[string]any) map[string]any {
	result := maps.Clone(base)
	maps.Copy(result, more)
	return result
}

// unhurried is the sample's configuration for tests of something else than the
// timeout, which a busy machine could otherwise exceed.
func unhurried(more map[string]any) map[string]any {
	return merged(merged(sampleConfig(), map[string]any{"timeout": 10_000}), more)
}

// byHost is a configuration without a global part and with one rule per host, so
// that many cases share a gateway: a request chooses its case by its Host header.
func byHost(groups ...map[string]map[string]any) map[string]any {
	var rules []any
	seen := map[string]bool{}
	for _, group := range groups {
		for _, host := range slices.Sorted(maps.Keys(group)) {
			if seen[host] {
				panic("two cases have the host " + host) // the test's own mistake
			}
			seen[host] = true
			rules = append(rules, merged(group[host], map[string]any{"_match_domain_": []string{host}}))
		}
	}
	return map[string]any{"_rules_": rules}
}

// hostName makes a host's name of a case's.
func hostName(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "-", "_", "-", ",", "").Replace(name))
}

// counters are some of the plugin's own counters, by their names.
type counters map[string]int

// readCounters reads the counters that want names, all at one moment.
func readCounters(t *testing.T, gateway *harness.Gateway, want counters) counters {
	t.Helper()
	const prefix = "wasmcustom.token_fetch."
	stats := gateway.Stats(t, "^"+prefix)
	values := counters{}
	for name := range want {
		value, err := strconv.Atoi(stats[prefix+name])
		if err != nil {
			t.Fatalf("counter %s is %q", name, stats[prefix+name])
		}
		values[name] = value
	}
	return values
}

// waitGrown returns once the counters have grown by want since before. The plugin
// writes all of them at once, so one that must not grow is checked with the others.
func waitGrown(t *testing.T, gateway *harness.Gateway, before, want counters) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		grown := readCounters(t, gateway, want)
		for name := range grown {
			grown[name] -= before[name]
		}
		if maps.Equal(grown, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("counters grew by %v, want %v", grown, want)
			return
		}
	}
}

// waitStat returns once an Envoy statistic has the value.
func waitStat(t *testing.T, gateway *harness.Gateway, name, want string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		value := gateway.Stat(t, name)
		if value == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %q, want %q", name, value, want)
		}
	}
}

// waitLog returns once Envoy has logged the text.
func waitLog(t *testing.T, gateway *harness.Gateway, text string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !gateway.LogContains(text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %q", text)
		}
	}
}

// sent is what came of a request sent in the background.
type sent struct {
	harness.Answer
	err error
}

// sendAll sends the requests at the same time.
func sendAll(client *http.Client, requests ...*http.Request) <-chan sent {
	answers := make(chan sent, len(requests))
	for _, request := range requests {
		go func() {
			answer, err := harness.Send(client, request)
			answers <- sent{answer, err}
		}()
	}
	return answers
}

// await returns the next answer.
func await(t *testing.T, answers <-chan sent) harness.Answer {
	t.Helper()
	select {
	case answer := <-answers:
		if answer.err != nil {
			t.Fatal(answer.err)
		}
		return answer.Answer
	case <-time.After(2 * limit):
		t.Fatal("a request hangs")
		return harness.Answer{}
	}
}

// checkStatus fails the test when the gateway answered with another status.
func checkStatus(t *testing.T, answer harness.Answer, want int) {
	t.Helper()
	if answer.Status != want {
		t.Fatalf("the gateway answered %d %q, want %d", answer.Status, answer.Body, want)
	}
}

// checkHeader compares all values of a header that the upstream received last.
func checkHeader(t *testing.T, gateway *harness.Gateway, name string, want ...string) {
	t.Helper()
	if got := gateway.Upstream.Last(t).Header.Values(name); !slices.Equal(got, want) {
		t.Errorf("the upstream received %s %q, want %q", name, got, want)
	}
}

// checkNotReached fails when the upstream has received anything.
func checkNotReached(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	if requests := gateway.Upstream.Requests(); len(requests) != 0 {
		t.Errorf("the upstream received %+v", requests)
	}
}
