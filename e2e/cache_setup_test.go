package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// secretMark is a part of every token, credential and caller in the tests of the
// cache, so that a look for it finds any of them.
const secretMark = "s3cr3t"

// cachedHosts is a configuration with one rule per host, so that many cases share a
// gateway, each with a cold cache of its own: requests with the Host "x" need the
// token of the path "/x". The caches are configured alike.
func cachedHosts(hosts []string, cache map[string]any) map[string]map[string]any {
	configs := map[string]map[string]any{}
	for _, host := range hosts {
		configs[host] = merged(sampleConfig(), map[string]any{
			"requestPath":    "/" + host,
			"requestHeaders": map[string]string{"X-Credential": secretMark + "-credential"},
			// Far more than a busy machine needs, as most tests are about something else.
			"timeout": 20_000,
			"cache":   cache,
		})
	}
	return configs
}

// startCached starts a gateway whose plugin logs all it can, and checks at the end
// that no secret got out.
func startCached(t *testing.T, options harness.Options) *harness.Gateway {
	t.Helper()
	if options.WasmLog == "" {
		options.WasmLog = "trace"
	}
	gateway := harness.Start(t, options)
	t.Cleanup(func() { checkNoSecrets(t, gateway) })
	return gateway
}

// checkNoSecrets looks for secrets in the log and in the names of statistics.
func checkNoSecrets(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	for line := range strings.Lines(gateway.Log()) {
		if strings.Contains(line, secretMark) {
			t.Errorf("the log has a secret: %s", line)
			break
		}
	}
	if stats := gateway.Stats(t, secretMark); len(stats) != 0 {
		t.Errorf("statistics have a secret in their names: %v", stats)
	}
}

// mint makes tokens and remembers when.
type mint struct {
	mu     sync.Mutex // guards issued
	issued []issue    // the oldest first
}

// issue is one token that the token service has handed out.
type issue struct {
	path  string
	token string
	at    time.Time // shortly before the answer was sent
}

// token is the name of the path's token of that number, counted from 1.
func mintedToken(path string, number int) string {
	return fmt.Sprintf("%s-%s-%d", secretMark, strings.TrimPrefix(path, "/"), number)
}

// answer gives each call the next token of its path, with its lifetime in the body.
func (m *mint) answer(lifetime any) http.HandlerFunc {
	body := harness.JSON(http.StatusOK, map[string]any{"expires_in": lifetime})
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", m.issue(r.URL.Path))
		body(w, r)
	}
}

func (m *mint) issue(path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	number := 1
	for _, issue := range m.issued {
		if issue.path == path {
			number++
		}
	}
	token := mintedToken(path, number)
	m.issued = append(m.issued, issue{path: path, token: token, at: time.Now()})
	return token
}

// of returns the issue of a token; ok is false for one that this mint did not make.
func (m *mint) of(token string) (found issue, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, issue := range m.issued {
		if issue.token == token {
			return issue, true
		}
	}
	return issue{}, false
}

// answerSwitch is an answer that can be exchanged while calls come.
type answerSwitch struct {
	mu      sync.Mutex // guards current
	current http.HandlerFunc
}

func newAnswerSwitch(answer http.HandlerFunc) *answerSwitch { return &answerSwitch{current: answer} }

func (s *answerSwitch) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = answer
}

func (s *answerSwitch) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	current := s.current
	s.mu.Unlock()
	current(w, r)
}

// answerByPath has an answer for each host of cachedHosts, and one for all others.
func answerByPath(answers map[string]http.HandlerFunc, others http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/")]; ok {
			answer(w, r)
			return
		}
		others(w, r)
	}
}

// callsOf are the token calls for a host of cachedHosts.
func callsOf(gateway *harness.Gateway, host string) []harness.Call {
	return slices.DeleteFunc(gateway.Token.Calls(), func(call harness.Call) bool { return call.URI != "/"+host })
}

// waitCallsOf returns once there are at least count token calls for a host.
func waitCallsOf(t *testing.T, gateway *harness.Gateway, host string, count int) {
	t.Helper()
	for deadline := time.Now().Add(limit); len(callsOf(gateway, host)) < count; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d token calls for %s after %s, want %d", len(callsOf(gateway, host)), host, limit, count)
		}
	}
}

// checkCalls checks how many token calls were made for a host.
func checkCalls(t *testing.T, gateway *harness.Gateway, host string, want int) {
	t.Helper()
	if calls := callsOf(gateway, host); len(calls) != want {
		t.Errorf("%d token calls for %s, want %d", len(calls), host, want)
	}
}

// timed is what came of a request, and when.
type timed struct {
	harness.Answer
	err        error
	sentAt     time.Time
	answeredAt time.Time
}

func (r timed) took() time.Duration { return r.answeredAt.Sub(r.sentAt) }

// token is what the upstream received; it echoes the headers.
func (r timed) token() string { return echoedToken(r.Answer) }

// sendTimed may be called from any goroutine.
func sendTimed(client *http.Client, request *http.Request) timed {
	result := timed{sentAt: time.Now()}
	result.Answer, result.err = harness.Send(client, request)
	result.answeredAt = time.Now()
	return result
}

// echoedToken is the token that the upstream received, by its answer; "" when there
// was none or another server answered.
func echoedToken(answer harness.Answer) string {
	var header http.Header
	if json.Unmarshal([]byte(answer.Body), &header) != nil {
		return ""
	}
	return strings.Join(header["X-Token"], " and ")
}

// checkToken checks what a request was answered, and with which token it went on.
func (r timed) checkToken(t *testing.T, want string) {
	t.Helper()
	if r.err != nil || r.Status != http.StatusOK || r.token() != want {
		t.Errorf("answered %d with the token %q (%v), want 200 with %q", r.Status, r.token(), r.err, want)
	}
}

// get sends a request for a host of cachedHosts.
func get(t *testing.T, gateway *harness.Gateway, host string, headers ...string) timed {
	t.Helper()
	return getBy(t, gateway, gateway.Client(), host, headers...)
}

// getBy is get with a client of the test's own.
func getBy(t *testing.T, gateway *harness.Gateway, client *http.Client, host string, headers ...string) timed {
	t.Helper()
	return sendTimed(client, gateway.Request(t, http.MethodGet, "/", "", append(headers, "Host: "+host)...))
}

// parallel are requests that were sent at the same time.
type parallel struct {
	results []timed
	group   sync.WaitGroup
}

// sendParallel returns as soon as the requests are on their way.
func sendParallel(client *http.Client, requests ...*http.Request) *parallel {
	p := &parallel{results: make([]timed, len(requests))}
	for i, request := range requests {
		spawn(&p.group, func() { p.results[i] = sendTimed(client, request) })
	}
	return p
}

// wait returns all results, in the order of the requests.
func (p *parallel) wait() []timed {
	p.group.Wait()
	return p.results
}

// requestsFor makes equal requests for a host of cachedHosts.
func requestsFor(t *testing.T, gateway *harness.Gateway, host string, count int) []*http.Request {
	t.Helper()
	var requests []*http.Request
	for range count {
		requests = append(requests, gateway.Request(t, http.MethodGet, "/", "", "Host: "+host))
	}
	return requests
}

// load sends requests at a steady rate per second, whether or not the earlier ones
// have been answered.
func load(rate int, duration time.Duration, send func(i int) timed) []timed {
	results := make([]timed, int(duration.Seconds()*float64(rate)))
	var group sync.WaitGroup
	start := time.Now()
	for i := range results {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		spawn(&group, func() { results[i] = send(i) })
	}
	group.Wait()
	return results
}

// lastAnswer is when the last of the requests was answered.
func lastAnswer(results []timed) time.Time {
	last := time.Time{}
	for _, result := range results {
		if result.answeredAt.After(last) {
			last = result.answeredAt
		}
	}
	return last
}

// firstSent is when the first of the requests was sent.
func firstSent(results []timed) time.Time {
	first := results[0].sentAt
	for _, result := range results {
		if result.sentAt.Before(first) {
			first = result.sentAt
		}
	}
	return first
}

// waitActive returns once so many requests are in the gateway: those that have
// arrived and have been neither answered nor given up.
func waitActive(t *testing.T, gateway *harness.Gateway, want int) {
	t.Helper()
	waitStat(t, gateway, "http.gateway.downstream_rq_active", strconv.Itoa(want))
}

// atBest measures until the result is within the limit, at most once per try: a
// neighbour on the machine can make any one of them slow, but none of them fast.
func atBest(t *testing.T, what string, limit time.Duration, tries []string, measure func(try string) time.Duration) {
	t.Helper()
	var measured []time.Duration
	for _, try := range tries {
		took := measure(try)
		measured = append(measured, took)
		if took <= limit || t.Failed() {
			t.Logf("%s: %v (limit %s)", what, measured, limit)
			return
		}
	}
	t.Errorf("%s: %v, want at most %s at least once", what, measured, limit)
}

// numbered are names for the tries of atBest.
func numbered(name string, count int) []string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%d", name, i+1))
	}
	return names
}

// settledCounters reads the counters that want names when the plugin has written
// what came before: it does so every tenth of a second.
func settledCounters(t *testing.T, gateway *harness.Gateway, want counters) counters {
	t.Helper()
	const calm = 300 * time.Millisecond
	values, since := readCounters(t, gateway, want), time.Now()
	for deadline := time.Now().Add(limit); time.Since(since) < calm && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if now := readCounters(t, gateway, want); !maps.Equal(now, values) {
			values, since = now, time.Now()
		}
	}
	return values
}

// amount is how much of something a test does: what the environment variable says,
// or else the default, of which -short does a part.
func amount(t *testing.T, variable string, full, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		if testing.Short() {
			return short
		}
		return full
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < short {
		t.Fatalf("%s is %q, want a number of at least %d", variable, text, short)
	}
	return value
}

// checkGaps checks that the calls followed a backoff: each wait is twice the one
// before, and at most a fifth more. A wait is counted from a failure, which came
// later than its call did, so only the upper bound needs an allowance.
func checkGaps(t *testing.T, calls []harness.Call, first, allowance time.Duration) {
	t.Helper()
	var gaps []time.Duration
	for i := 1; i < len(calls); i++ {
		gaps = append(gaps, calls[i].Time.Sub(calls[i-1].Time).Round(time.Millisecond))
	}
	wait := first
	for _, gap := range gaps {
		if gap < wait || gap > wait+wait/5+allowance {
			t.Errorf("gaps between calls are %v, want the waits of a backoff of %s", gaps, first)
			return
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// spawn is sync.WaitGroup.Go, which Go 1.24 does not have.
func spawn(group *sync.WaitGroup, f func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		f()
	}()
}
