package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// rate is how many requests the clients send a second, all together.
const rate = 500

// client is one way in which clients behave.
type client struct {
	name     string
	gateway  string // what the gateway does, for the page
	weight   int
	requests int  // at a time; 0 means one
	http2    bool // goes to the upstream that speaks HTTP/2, as trailers reach only that
	send     func(l *load, requests []*request, random *rand.Rand)
}

// answersInTime is what becomes of most.
const answersInTime = "answers each by the rule's `failure` or the upstream's answer, in time"

var allClients = []*client{
	{name: "HTTP/1.1", gateway: answersInTime, weight: 160, send: plain((*load).overHTTP1)},
	{name: "HTTP/2", gateway: answersInTime, weight: 160, send: plain((*load).overHTTP2)},
	{name: "leaves at random, HTTP/1.1", gateway: "forgets it; those that wait with it get their token", weight: 50, send: leaving((*load).overHTTP1)},
	{name: "leaves at random, HTTP/2", gateway: "forgets it; those that wait with it get their token", weight: 50, send: leaving((*load).overHTTP2)},
	{name: "streams a slow body", gateway: answersInTime + ", counted from its headers", weight: 30, send: slowBody},
	{name: "resets its stream after the headers", gateway: "forgets it", weight: 5, requests: 10, send: resetStreams},
	{name: "upgrades to WebSocket", gateway: "upgrades it with a token, or answers by `failure`", weight: 25, send: webSocket},
	{name: "gRPC", gateway: "sends it on with a token, or answers a gRPC status", weight: 40, http2: true, send: callGRPC},
	{name: "Expect: 100-continue", gateway: answersInTime, weight: 25, send: expectContinue},
	{name: "pipelines five requests", gateway: answersInTime + ", each counted from the answer before it", weight: 12, requests: 5, send: pipeline},
	{name: "the token's header forged in odd forms", gateway: "replaces or removes all of them", weight: 50, send: oddHeaders},
	{name: "the token's header forged as a trailer", gateway: "removes it from the trailers", weight: 30, http2: true, send: forgedTrailers},
}

// load sends requests at a steady rate, whether or not earlier ones have been answered.
type load struct {
	gateway  *harness.Gateway
	ledger   *ledger
	rules    []*rule
	subjects *subjects
	seed     uint64
	stopped  atomic.Bool
	random   *rand.Rand // of the goroutine that starts the clients

	group sync.WaitGroup
}

func newLoad(gateway *harness.Gateway, l *ledger, rules []*rule, seed uint64) *load {
	return &load{
		gateway: gateway, ledger: l, rules: rules, subjects: newSubjects(), seed: seed,
		random: rand.New(rand.NewPCG(seed, 1)),
	}
}

// run sends for that long, and returns when the last has been answered. It ends early
// when the plugin is dead.
func (l *load) run(t *testing.T, duration time.Duration) {
	t.Helper()
	began, sent := time.Now(), 0
	for time.Since(began) < duration && !l.stopped.Load() {
		time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / rate)))
		c := choose(l.random, allClients, func(c *client) int { return c.weight })
		r := choose(l.random, l.rules, func(r *rule) int { return r.share })
		count := max(1, c.requests)
		requests, random := l.requests(r, c, count), rand.New(rand.NewPCG(l.seed, l.random.Uint64()))
		sent += count
		l.group.Add(1)
		go func() {
			defer l.group.Done()
			c.send(l, requests, random)
		}()
	}
	done := make(chan struct{})
	go func() { l.group.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("a client still waits a minute after the load")
	}
}

func choose[T any](random *rand.Rand, all []T, weight func(T) int) T {
	total := 0
	for _, one := range all {
		total += weight(one)
	}
	number := random.IntN(total)
	for _, one := range all {
		if number -= weight(one); number < 0 {
			return one
		}
	}
	panic("nothing chosen")
}

func (l *load) requests(r *rule, c *client, count int) []*request {
	requests := make([]*request, count)
	for i := range requests {
		entry := &request{rule: r, client: c}
		switch {
		case r.exchange:
			entry.subject = l.subjects.choose(l.random)
			entry.key = entry.subject.token
		case r.keyedBy == tenantHeader:
			entry.key = fmt.Sprintf("tenant-%d", l.random.IntN(15))
		}
		requests[i] = l.ledger.newRequest(entry)
	}
	return requests
}

// path leads to the upstream that speaks HTTP/2, or the one that doesn't.
func (r *request) path() string {
	if r.client.http2 {
		return "/a/faults"
	}
	return "/faults"
}

// header has all that the rule needs, and every second time a forged token.
func (r *request) header(random *rand.Rand) http.Header {
	header := http.Header{idHeader: {fmt.Sprint(r.id)}}
	if r.rule.keyedBy == tenantHeader {
		header.Set(tenantHeader, r.key)
	}
	switch {
	case r.subject != nil && r.subject.value != "":
		header.Set("Authorization", r.subject.value)
	case r.subject == nil && random.IntN(2) == 0:
		header.Set(r.rule.header, r.rule.prefix+forgedMark)
	}
	return header
}

// sending notes that the request is about to be written.
func (l *load) sending(r *request) {
	now := time.Now()
	l.ledger.change(func() { r.sentAt, r.countFrom = now, now })
}

// answered looks at an answer at a glance; what it means is found out afterwards.
func (l *load) answered(r *request, status int, header http.Header, body string) {
	now := time.Now()
	got, detail := r.rule.classify(status, header, body)
	if holdsSecret(header, body) {
		l.ledger.violate("a secret in an answer", "%s was answered %d %v %.200q", r, status, header, body)
	}
	if got == emptyReply {
		l.stopped.Store(true)
		l.ledger.violate("503 without a body: the VM is dead", "%s: %s", r, detail)
	}
	l.ledger.change(func() { r.answeredAt, r.answer, r.detail = now, got, detail })
}

// failed notes that there was no answer.
func (l *load) failed(r *request, err error) {
	now := time.Now()
	l.ledger.change(func() {
		r.answeredAt, r.detail = now, fmt.Sprintf("%v after %s", err, now.Sub(r.countFrom))
		if !r.leaves {
			r.answer = connectionError
		}
	})
}

func holdsSecret(header http.Header, body string) bool {
	for name, values := range header {
		if strings.Contains(name+strings.Join(values, ""), harness.SecretMark) {
			return true
		}
	}
	return strings.Contains(body, harness.SecretMark)
}

// classify tells the answers that the contract knows apart.
func (r *rule) classify(status int, header http.Header, body string) (answer, string) {
	authenticate := header.Get("Www-Authenticate")
	if grpcStatus := header.Get("Grpc-Status"); grpcStatus != "" && header.Get(reachedHeader) == "" {
		status, body = r.statusOfGRPC(grpcStatus), header.Get("Grpc-Message")
	}
	detail := fmt.Sprintf("%d %.100q %v", status, body, header)
	switch {
	case header.Get(reachedHeader) != "":
		return reached, ""
	case status == http.StatusServiceUnavailable && body == "":
		return emptyReply, detail
	case status == http.StatusUnauthorized && r.exchange && authenticate == `Bearer realm="token-fetch"`:
		return subjectMissing, ""
	case status == http.StatusUnauthorized && r.exchange && authenticate == `Bearer realm="token-fetch", error="invalid_token"` &&
		(body == "the bearer token was refused" || body == "the bearer token has expired"):
		return subjectRefused, ""
	case status == r.status && body == r.body:
		return denied, ""
	default:
		return somethingElse, detail
	}
}

// statusOfGRPC is the HTTP status of a reply that Envoy has turned into a gRPC status.
func (r *rule) statusOfGRPC(code string) int {
	switch code {
	case "16":
		return http.StatusUnauthorized
	case "14":
		return http.StatusServiceUnavailable
	case "2":
		return http.StatusInternalServerError
	default:
		return 0
	}
}
