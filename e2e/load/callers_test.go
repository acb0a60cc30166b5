package load

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// burst is a number of simultaneous requests that each need their own call.
type burst struct {
	config  map[string]any
	count   int
	headers func(i int) []string // of request i
	cut     bool                 // the token service goes away when it has all calls
}

// burstTime is what the gateway may take for the requests of a burst and their calls themselves:
// those that come behind it wait for as long, whatever the plugin does.
const burstTime = 1500 * time.Millisecond

// TestCallsOfTheirOwn has many requests at once that can't share a call, and calls that all end
// at the same time: at their timeout, with their connections, or inside the plugin's own call
// of the host, which answers for a cluster without a free place or a healthy host.
func TestCallsOfTheirOwn(t *testing.T) {
	callers, each := 1_000, 2_000
	if testing.Short() {
		callers, each = 600, 600
	}
	user := func(i int) []string { return []string{"x-user: user-" + strconv.Itoa(i)} }
	bursts := map[string]burst{
		"callers-hanging": {config: callersOf(harness.TokenName, nil), count: callers, headers: user},
		"callers-limited": {config: callersOf(harness.LimitedName, nil), count: callers, headers: user},
		"callers-empty":   {config: callersOf(harness.EmptyName, nil), count: callers, headers: user},
		"callers-dead":    {config: callersOf(harness.DeadName, map[string]any{"servicePort": harness.DeadPort}), count: callers, headers: user},
		"callers-cut":     {config: callersOf(harness.TokenName, map[string]any{"timeout": 50_000}), count: callers, headers: user, cut: true},
		"each-hanging":    {config: uncached(harness.TokenName, nil), count: each},
		"each-limited":    {config: uncached(harness.LimitedName, nil), count: each},
		"each-empty":      {config: uncached(harness.EmptyName, nil), count: each},
		"each-dead":       {config: uncached(harness.DeadName, map[string]any{"servicePort": harness.DeadPort}), count: each},
		"each-cut":        {config: uncached(harness.TokenName, map[string]any{"timeout": 50_000}), count: each, cut: true},
	}
	configs := map[string]map[string]any{"warm": cached("warm", nil), "free": {"enabled": false}}
	for host, burst := range bursts {
		configs[host] = burst.config
	}
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Details: true, Sink: harness.NewSink(t), Config: harness.ByHost(configs)})
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)
	for _, host := range slices.Sorted(maps.Keys(bursts)) {
		t.Run(host, func(t *testing.T) { checkBurst(t, gateway, host, bursts[host]) })
	}
}

// callersOf is a configuration whose token depends on the client's X-User.
func callersOf(service string, more map[string]any) map[string]any {
	config := cached("callers", map[string]any{"serviceName": service, "forwardHeaders": []string{"X-User"}})
	maps.Copy(config, more)
	return config
}

// uncached is the sample's configuration: a call for each request.
func uncached(service string, more map[string]any) map[string]any {
	config := cached("each", map[string]any{"serviceName": service})
	delete(config, "cache")
	maps.Copy(config, more)
	return config
}

func checkBurst(t *testing.T, gateway *harness.Gateway, host string, b burst) {
	gateway.Token.Handle(harness.Hang())
	gateway.Token.Forget()
	requests := newVolley(t, gateway, b.count)
	probes := startProbes(t, gateway)
	requests.sendAtOnce(t, func(i int) []string {
		fields := []string{host, "/" + host}
		if b.headers != nil {
			fields = append(fields, b.headers(i)...)
		}
		return fields
	})
	if b.cut {
		waitCalls(t, gateway, b.count)
		gateway.Token.Stop()
		defer gateway.Token.Resume(t)
	}
	answers := requests.wait(t)
	first, last := span(answers)
	probes.report(t, first, last)
	checkAll(t, answers, http.StatusInternalServerError, "http call failed")
	took := requests.took(answers)
	t.Logf("%d token calls; the requests were answered in: p50 %s, max %s", len(gateway.Token.Calls()), percentile(took, 0.5), percentile(took, 1))
	page.Tried(t, fmt.Sprintf("%d requests at once, each with its own call", b.count), "answers each with `failure`",
		fmt.Sprintf("%d token calls; max %s", len(gateway.Token.Calls()), short(percentile(took, 1))))
	if longest, most := percentile(took, 1), burstTime+defaultTimeout+answeredLate; !b.cut && longest > most {
		t.Errorf("a request was answered after %s, want at most %s", longest, most)
	}
	checkLives(t, gateway)
}

// waitCalls returns once the token service has so many calls, or as many as it gets.
func waitCalls(t *testing.T, gateway *harness.Gateway, want int) {
	t.Helper()
	calls, since := 0, time.Now()
	for calls < want && time.Since(since) < 2*time.Second {
		if now := len(gateway.Token.Calls()); now != calls {
			calls, since = now, time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	if calls < want {
		t.Errorf("%d token calls, want %d", calls, want)
	}
}
