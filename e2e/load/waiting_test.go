package load

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// waitingRequests is how many may wait for one call by default; with -short a part of it,
// to which the configuration is set.
func waitingRequests() int {
	if testing.Short() {
		return 2_000
	}
	return 10_000
}

// othersWait is how long requests of other rules may take while those that wait are told.
const othersWait = 50 * time.Millisecond

// callTimeout is long enough for all of them to arrive before the call ends.
func callTimeout() time.Duration {
	if testing.Short() {
		return 2 * time.Second
	}
	return 8 * time.Second
}

// ending is how the call ends for which the requests wait, and what becomes of them.
type ending struct {
	timeout time.Duration    // of the call
	answer  http.HandlerFunc // of the token service, once all requests wait; nil: none, so that the timeout ends the call
	mode    string           // of the failure
	path    string           // of the requests; "/n/" goes on with their number
	status  int              // of every answer
	body    string
	reaches bool // they reach the upstream
	served  bool // with the token
}

// TestWaiting has as many requests wait for one call as may by default.
func TestWaiting(t *testing.T) {
	const denied = "http call failed"
	endings := map[string]ending{
		"timeout denied":  {timeout: callTimeout(), mode: "deny", path: "/n/", status: 500, body: denied},
		"timeout allowed": {timeout: callTimeout(), mode: "allow", path: "/n/", status: 200, reaches: true},
		"reset denied":    {answer: harness.Reset(), mode: "deny", path: "/n/", status: 500, body: denied},
		"reset allowed":   {answer: harness.Reset(), mode: "allow", path: "/n/", status: 200, reaches: true},
		"500 denied":      {answer: harness.Status(500), mode: "deny", path: "/n/", status: 500, body: denied},
		"500 allowed":     {answer: harness.Status(500), mode: "allow", path: "/n/", status: 200, reaches: true},
		"served":          {answer: pathToken, mode: "deny", path: "/n/", status: 200, reaches: true, served: true},
		"served cut":      {answer: pathToken, mode: "deny", path: "/cut", status: 503, body: "upstream connect error or disconnect/reset before headers. reset reason: overflow"},
		"served direct":   {answer: pathToken, mode: "deny", path: "/direct", status: 200, body: "direct"},
		"allowed cut":     {answer: harness.Reset(), mode: "allow", path: "/cut", status: 503, body: "upstream connect error or disconnect/reset before headers. reset reason: overflow"},
	}
	configs := map[string]map[string]any{
		"warm":         cached("warm", nil),
		"free":         {"enabled": false},
		"http1":        cached("http1", map[string]any{"timeout": 50_000}),
		"http1-served": cached("http1-served", map[string]any{"timeout": 50_000}),
	}
	for name, ending := range endings {
		configs[harness.HostName(name)] = ending.config(harness.HostName(name))
	}
	sink := harness.NewSink(t)
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs), WasmLog: "warn", Details: true, Sink: sink})
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)
	t.Run("HTTP 1.1", func(t *testing.T) { checkConnectionsOfTheirOwn(t, gateway) })
	var others []time.Duration // what requests of other rules took (p99)
	for _, name := range slices.Sorted(maps.Keys(endings)) {
		t.Run(name, func(t *testing.T) {
			others = append(others, checkWaiting(t, gateway, sink, harness.HostName(name), endings[name]))
		})
	}
	// Other load on the machine can make any of them slow, but none of them fast.
	if len(others) > 0 && slices.Min(others) > othersWait {
		t.Errorf("requests of other rules took %s (p99) at best, want at most %s", slices.Min(others), othersWait)
	}
}

// checkConnectionsOfTheirOwn: over HTTP/1.1, where each request has its own connection, waiting requests are settled as well.
func checkConnectionsOfTheirOwn(t *testing.T, gateway *harness.Gateway) {
	for _, test := range []struct {
		host   string
		answer http.HandlerFunc
		want   harness.Answer
	}{
		{"http1", harness.Reset(), harness.DefaultReply},
		{"http1-served", pathToken, harness.Reply(http.StatusOK, "direct", "text/plain")},
	} {
		var requests []*http.Request
		for range waitingRequests() {
			requests = append(requests, gateway.Request(t, http.MethodGet, "/direct", "", "Host: "+test.host))
		}
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, test.answer))
		sent := harness.SendParallel(gateway.Client(), requests...)
		gateway.WaitActive(t, len(requests))
		close(release)
		for _, result := range sent.Wait() {
			harness.CheckReply(t, result.Answer, test.want)
		}
		gateway.Token.CheckCallsOf(t, test.host, 1)
	}
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)
}

func (e ending) config(path string) map[string]any {
	config := cached(path, map[string]any{
		"timeout": 50_000, // the token service ends the call
		"failure": map[string]any{"mode": e.mode},
	})
	if e.timeout != 0 {
		config["timeout"] = e.timeout.Milliseconds()
	}
	if testing.Short() {
		config["cache"] = map[string]any{"maxWaiting": waitingRequests()}
	}
	return config
}

func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// checkWaiting returns what requests of other rules took while those of the host were told (p99).
func checkWaiting(t *testing.T, gateway *harness.Gateway, sink *harness.Sink, host string, want ending) time.Duration {
	sink.Forget()
	gateway.Token.Forget()
	release := make(chan struct{})
	answer := want.answer
	if answer == nil {
		answer = harness.Hang()
	}
	gateway.Token.Handle(harness.Hold(release, answer))
	requests := newVolley(t, gateway, waitingRequests())
	requests.sendInTurn(t, gateway, func(i int) []string {
		return []string{host, strings.Replace(want.path, "/n/", "/n/"+strconv.Itoa(i), 1)}
	})
	checkOneMore(t, gateway, host, want)

	probes := startProbes(t, gateway)
	released := time.Now()
	if want.answer != nil {
		close(release)
	}
	answers := requests.wait(t)
	first, last := span(answers)
	p50, p99 := probes.report(t, first, last)
	// Were they to wait until all are told, half of them would take half of that time.
	if most := max(othersWait, last.Sub(first)/8); p50 > most {
		t.Errorf("half of the requests of other rules took more than %s, want at most %s", p50, most)
	}
	checkAll(t, answers, want.status, want.body)
	if want.answer == nil {
		defer close(release)
		released = gateway.Token.Calls()[0].Time.Add(want.timeout)
	}
	t.Logf("the first of %d was told %s after the call's end, the last one %s later", len(answers), first.Sub(released), last.Sub(first))
	page.Tried(t, fmt.Sprintf("%d requests wait when their call ends", len(answers)), "resumes them in batches, in order of arrival, and serves others in between",
		fmt.Sprintf("the first after %s, the last %s later; requests of other rules meanwhile p50 %s, p99 %s", short(first.Sub(released)), short(last.Sub(first)), short(p50), short(p99)))
	if late := first.Sub(released); late > 300*time.Millisecond {
		t.Errorf("the first request was told %s after the end of the call", late)
	}
	checkOrder(t, answers)
	checkArrivals(t, sink, host, want)
	if calls := len(gateway.Token.Calls()); calls != 1 {
		t.Errorf("%d token calls, want 1", calls)
	}
	checkLives(t, gateway)
	gateway.Token.Handle(pathToken)
	waitToken(t, gateway, sink, host)
	return p99
}

// checkOneMore sends one request more than may wait.
func checkOneMore(t *testing.T, gateway *harness.Gateway, host string, want ending) {
	t.Helper()
	start := time.Now()
	answer := gateway.Get(t, strings.Replace(want.path, "/n/", "/one-more", 1), "Host: "+host)
	if took := time.Since(start); took > time.Second {
		t.Errorf("the request after the last that may wait was answered after %s", took)
	}
	if want.mode == "allow" {
		if answer.Status != want.status {
			t.Errorf("the request after the last that may wait was answered %d %q, want %d", answer.Status, answer.Body, want.status)
		}
		return
	}
	details := answer.Header.Get(harness.DetailsHeader)
	if answer.Status != 500 || answer.Body != "http call failed" || !strings.Contains(details, "too_many_waiting") {
		t.Errorf("the request after the last that may wait was answered %d %q (%s), want 500 (too_many_waiting)",
			answer.Status, answer.Body, details)
	}
}

// span is when the first and the last of the answers came.
func span(answers []harness.StreamAnswer) (first, last time.Time) {
	first = answers[0].Time
	for _, answer := range answers {
		if answer.Time.Before(first) {
			first = answer.Time
		}
		if answer.Time.After(last) {
			last = answer.Time
		}
	}
	return first, last
}

// checkOrder checks that the requests were told in the order of their numbers. Those of one
// connection are answered in exactly this order, batch by batch; of different ones, each of which is read
// by a goroutine of its own, within the time in which a busy machine reads them.
func checkOrder(t *testing.T, answers []harness.StreamAnswer) {
	t.Helper()
	const readLate = 200 * time.Millisecond
	// The replies of one batch end one another in the host: each has it enter the VM before it is sent, and leaving the VM it begins the
	// next. So these come in the reverse order.
	const batch = 32
	latest, latestNumber := answers[0].Time, 0
	for i := batch; i < len(answers); i++ {
		if before := answers[i-batch]; before.Time.After(latest) {
			latest, latestNumber = before.Time, i-batch
		}
		tolerance := readLate
		if i/streamsPerConnection == latestNumber/streamsPerConnection {
			tolerance = 0
		}
		if early := latest.Sub(answers[i].Time); early > tolerance {
			t.Errorf("request %d was told %s before request %d", i, early, latestNumber)
			return
		}
	}
}

// checkArrivals checks what the upstream received, besides that of others.
func checkArrivals(t *testing.T, sink *harness.Sink, host string, want ending) {
	t.Helper()
	token := map[bool]string{true: tokenOf(host)}[want.served]
	next := 0
	for _, arrival := range sink.Arrivals() {
		text, numbered := strings.CutPrefix(arrival.Path, "/n/")
		if !numbered {
			continue
		}
		if arrival.Token != token {
			t.Fatalf("request %s reached the upstream with the token %q, want %q", text, arrival.Token, token)
		}
		if number, _ := strconv.Atoi(text); number != next {
			t.Fatalf("request %s reached the upstream as number %d", text, next)
		}
		next++
	}
	if wanted := map[bool]int{true: waitingRequests()}[want.reaches]; next != wanted {
		t.Errorf("%d requests reached the upstream, want %d", next, wanted)
	}
}

// waitToken returns once a request gets a token, and so the backoff is over.
func waitToken(t *testing.T, gateway *harness.Gateway, sink *harness.Sink, host string) {
	t.Helper()
	sink.Forget()
	harness.Eventually(t, limit, func() error {
		answer := gateway.Get(t, "/next", "Host: "+host)
		arrivals := sink.Arrivals()
		if answer.Status != http.StatusOK || arrivals[len(arrivals)-1].Token != tokenOf(host) {
			return fmt.Errorf("with the token service back, a request was answered %d %q", answer.Status, answer.Body)
		}
		return nil
	})
}
