package configuration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// TestUpdatesUnderLoad changes the configuration 200 times, or as often as E2E_UPDATES says, while
// requests come. No request may notice, and nothing of a replaced configuration may stay.
func TestUpdatesUnderLoad(t *testing.T) {
	const rate, workers = 300, 4 // requests/s
	updates := harness.Amount(t, "E2E_UPDATES", 200, 40)
	gateway := harness.StartTraced(t, harness.Options{Config: generation(0, nil), Workers: workers, ECDS: true, WasmLog: "info"})
	gateway.Token.Handle(answerGeneration)
	clients := gateway.WorkerClients(t)
	for i := range 10 * len(updatedHosts) * workers { // so that later memory compares with that of a gateway in use
		checkUpdated(t, nil, sendUpdated(t, gateway, clients[i%workers], i/workers))
	}
	idle := measureIdle(t, gateway)

	stop := make(chan struct{})
	results := make(chan []sentUpdated, 1)
	go func() {
		results <- harness.LoadUntil(stop, rate, func(i int) sentUpdated { return sendUpdated(t, gateway, gateway.Client(), i) })
	}()
	start := time.Now()
	history := changeConfigurations(t, gateway, updates)
	took := time.Since(start)
	close(stop)
	sent := <-results
	for _, result := range sent {
		checkUpdated(t, history, result)
	}
	t.Logf("%d updates in %s during %d requests", updates, took.Round(time.Millisecond), len(sent))

	gateway.Client().CloseIdleConnections()
	gateway.WaitActive(t, 0)
	after := idle.checkBack(t, gateway)
	page.Tried(t, fmt.Sprintf("%d updates of the configuration under load, some of them invalid", updates), "no request fails because of an update; nothing is left behind",
		fmt.Sprintf("%d requests in %s; idle wakeups of a worker %.0f/s before, %.0f/s after; memory %d kB and %d kB", len(sent), took.Round(time.Second), idle.wakeups, after.wakeups, idle.memoryKB, after.memoryKB))
	checkSharedAfterUpdates(t, gateway, clients, history)
}

// updatedHosts are the rules of each generation: a call for each request, a token for all, one
// for each caller, and calls that fail.
var updatedHosts = []string{"plain", "cached", "caller", "denied", "allowed"}

// generation returns a configuration whose tokens differ from those of all other numbers.
func generation(number int, more map[string]any) map[string]any {
	configs := map[string]map[string]any{}
	for _, host := range updatedHosts {
		configs[host] = harness.Merge(harness.PlainConfig(more), map[string]any{
			"requestPath": fmt.Sprintf("/%d/%s", number, host),
			"cache":       map[string]any{},
		})
	}
	delete(configs["plain"], "cache")
	configs["caller"]["forwardHeaders"] = []string{"X-User"}
	configs["denied"]["failure"] = map[string]any{"status": 418}
	configs["allowed"]["failure"] = harness.Allow
	return harness.ByHost(configs)
}

// answerGeneration makes a token that says for whom it is. Some answers are slow, so that each
// update meets calls under way and requests that wait for them.
func answerGeneration(w http.ResponseWriter, r *http.Request) {
	_, host, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	answer := harness.HeaderToken("X-Token", generationToken(r.URL.Path, r.Header.Get("X-User")))
	if host == "denied" || host == "allowed" {
		answer = harness.Status(http.StatusServiceUnavailable)
	}
	switch now := time.Now(); {
	case host == "plain" && now.UnixNano()%50 == 0:
		answer = harness.Delay(2*time.Second, answer)
	case now.UnixMilli()%1000 < 400:
		answer = harness.Delay(300*time.Millisecond, answer)
	}
	answer(w, r)
}

func generationToken(path, caller string) string {
	return harness.SecretMark + strings.ReplaceAll(path, "/", "-") + "-" + caller
}

// invalidConfigs must change nothing.
var invalidConfigs = []any{
	"not JSON",
	map[string]any{"tokenHeadr": "X-Token"},
	strings.Repeat("[", 20_000),
	harness.SampleWith("timeout", -1),
	harness.WithRules(harness.SampleConfig(), map[string]any{"_match_domain_": []string{"a"}, "cache": 5}),
}

// period is when a generation was there: from before its configuration was sent until after the
// next was accepted.
type period struct{ from, to time.Time }

// changeConfigurations makes every second update a new generation.
func changeConfigurations(t *testing.T, gateway *harness.Gateway, updates int) (history []period) {
	t.Helper()
	const pace = 50 * time.Millisecond
	history = []period{{from: time.Now()}}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for i := range updates {
		<-ticker.C
		switch i % 4 {
		case 0, 2:
			from := time.Now()
			gateway.Update(t, generation(len(history), nil))
			history[len(history)-1].to = time.Now()
			history = append(history, period{from: from})
		case 1:
			gateway.Update(t, generation(len(history)-1, map[string]any{"timeout": 10_000 + i}))
		case 3:
			gateway.UpdateRefused(t, invalidConfigs[i/4%len(invalidConfigs)])
		}
	}
	history[len(history)-1].to = time.Now().Add(time.Hour)
	return history
}

// sentUpdated is one request of the load.
type sentUpdated struct {
	harness.Result
	host, caller string
}

func sendUpdated(t *testing.T, gateway *harness.Gateway, client *http.Client, i int) sentUpdated {
	t.Helper()
	host, caller := updatedHosts[i%len(updatedHosts)], fmt.Sprint("user", i/len(updatedHosts)%10)
	result := gateway.AskBy(t, client, host, "X-User: "+caller, "X-Token: forged")
	if host != "caller" {
		caller = ""
	}
	return sentUpdated{result, host, caller}
}

// checkUpdated checks the answer to a request, and that its token is one of a generation that was
// there while the request was under way.
func checkUpdated(t *testing.T, history []period, sent sentUpdated) {
	t.Helper()
	const allowance = time.Second // a worker hears of an update a moment later than the test
	status, hasToken := http.StatusOK, true
	switch sent.host {
	case "denied":
		status, hasToken = http.StatusTeapot, false
	case "allowed":
		hasToken = false
	}
	if sent.Err != nil || sent.Status != status || (sent.Token() != "") != hasToken {
		t.Errorf("%s was answered %d %q after %s (%v)", sent.host, sent.Status, sent.Body, sent.Took(), sent.Err)
		return
	}
	if !hasToken || history == nil {
		return
	}
	var number int
	if _, err := fmt.Sscanf(sent.Token(), harness.SecretMark+"-%d-", &number); err != nil || number >= len(history) {
		t.Errorf("%s went on with the token %q", sent.host, sent.Token())
		return
	}
	if want := generationToken(fmt.Sprintf("/%d/%s", number, sent.host), sent.caller); sent.Token() != want {
		t.Errorf("%s of %q went on with the token %q", sent.host, sent.caller, sent.Token())
	}
	if there := history[number]; sent.SentAt.After(there.to.Add(allowance)) || sent.AnsweredAt.Before(there.from) {
		t.Errorf("%s went on with a token of generation %d, which was replaced %s before", sent.host, number, sent.SentAt.Sub(there.to))
	}
}

// checkSharedAfterUpdates checks that the workers still share tokens: those of the last
// generation, and those of one more.
func checkSharedAfterUpdates(t *testing.T, gateway *harness.Gateway, clients []*http.Client, history []period) {
	t.Helper()
	next := len(history)
	gateway.Token.Handle(harness.Delay(50*time.Millisecond, answerGeneration))
	gateway.Update(t, generation(next, nil))
	for i := range 5 * len(clients) {
		result := gateway.AskBy(t, clients[i%len(clients)], "cached")
		result.CheckToken(t, generationToken(fmt.Sprintf("/%d/cached", next), ""))
	}
	gateway.Token.CheckCallsOf(t, fmt.Sprintf("%d/cached", next), 1)
}

// A timer that each replaced configuration left behind would wake a worker up ten times a second more, for each of
// the test's updates. This much more comes and goes by itself: 10 as the plugin's timer and that of Envoy's watchdog,
// which both have 100 ms, fall in and out of step, and what Envoy does in its own rhythm.
const moreWakeups = 10 + 10

// idleGateway is what a gateway costs that has nothing to do.
type idleGateway struct {
	vms      string
	wakeups  float64 // a second, of the busiest worker
	memoryKB int
}

func measureIdle(t *testing.T, gateway *harness.Gateway) idleGateway {
	t.Helper()
	return idleGateway{
		vms:      gateway.Stat(t, harness.ActiveVMs),
		wakeups:  gateway.Wakeups(t, 3*time.Second),
		memoryKB: gateway.MemoryKB(t),
	}
}

// checkBack waits until the gateway, which has nothing to do again, costs about what it did before.
func (before idleGateway) checkBack(t *testing.T, gateway *harness.Gateway) (after idleGateway) {
	t.Helper()
	gateway.WaitStat(t, harness.ActiveVMs, before.vms)
	harness.Eventually(t, 30*time.Second, func() error {
		after = measureIdle(t, gateway)
		if limit := before.wakeups + moreWakeups; after.wakeups > limit {
			return fmt.Errorf("an idle worker wakes up %.1f times a second, want at most %.1f", after.wakeups, limit)
		}
		if limit := before.memoryKB * 5 / 4; after.memoryKB > limit {
			return fmt.Errorf("memory is %d kB, want at most %d kB", after.memoryKB, limit)
		}
		return nil
	})
	t.Logf("idle before: %+v, after: %+v", before, after)
	return after
}
