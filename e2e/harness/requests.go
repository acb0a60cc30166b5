package harness

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Result is the outcome of a request, with its time.
type Result struct {
	Answer
	Err        error
	SentAt     time.Time
	AnsweredAt time.Time
}

// Took is how long the client waited.
func (r Result) Took() time.Duration { return r.AnsweredAt.Sub(r.SentAt) }

// Token is the X-Token that the upstream received, by its answer, which echoes the headers; "" when there was none or
// another server answered.
func (r Result) Token() string {
	var header http.Header
	if json.Unmarshal([]byte(r.Body), &header) != nil {
		return ""
	}
	return strings.Join(header["X-Token"], " and ")
}

// CheckToken checks that the request was answered 200, and that it went on with the token.
func (r Result) CheckToken(t testing.TB, want string) {
	t.Helper()
	if r.Err != nil || r.Status != http.StatusOK || r.Token() != want {
		t.Errorf("answered %d with the token %q (%v), want 200 with %q", r.Status, r.Token(), r.Err, want)
	}
}

// SendTimed may be called from any goroutine.
func SendTimed(client *http.Client, request *http.Request) Result {
	result := Result{SentAt: time.Now()}
	result.Answer, result.Err = Send(client, request)
	result.AnsweredAt = time.Now()
	return result
}

// Ask sends a GET for a host, with headers given as "Name: value". It may be called from any goroutine.
func (g *Gateway) Ask(t testing.TB, host string, headers ...string) Result {
	t.Helper()
	return g.AskBy(t, g.Client(), host, headers...)
}

// AskBy is Ask with another client than the gateway's.
func (g *Gateway) AskBy(t testing.TB, client *http.Client, host string, headers ...string) Result {
	t.Helper()
	return SendTimed(client, g.Request(t, http.MethodGet, "/", "", append(headers, "Host: "+host)...))
}

// Requests are equal ones for a host.
func (g *Gateway) Requests(t testing.TB, host string, count int) []*http.Request {
	t.Helper()
	var requests []*http.Request
	for range count {
		requests = append(requests, g.Request(t, http.MethodGet, "/", "", "Host: "+host))
	}
	return requests
}

// Parallel are requests that were sent at the same time.
type Parallel struct {
	results []Result
	group   sync.WaitGroup
}

// SendParallel returns as soon as the requests are on their way.
func SendParallel(client *http.Client, requests ...*http.Request) *Parallel {
	p := &Parallel{results: make([]Result, len(requests))}
	for i, request := range requests {
		p.group.Go(func() { p.results[i] = SendTimed(client, request) })
	}
	return p
}

// Wait returns all results, in the order of the requests.
func (p *Parallel) Wait() []Result {
	p.group.Wait()
	return p.results
}

// CheckStatus fails the test unless every request is answered with the status.
func (p *Parallel) CheckStatus(t testing.TB, want int) {
	t.Helper()
	for _, result := range p.Wait() {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		CheckStatus(t, result.Answer, want)
	}
}

// Load sends requests at a steady rate per second, whether or not the earlier ones have been answered.
func Load[T any](rate int, duration time.Duration, send func(i int) T) []T {
	stop := make(chan struct{})
	time.AfterFunc(duration, func() { close(stop) })
	return LoadUntil(stop, rate, send)
}

// LoadUntil sends requests at a steady rate per second until it is stopped, whether or not the earlier ones have been
// answered. It returns their results, in the order in which they were sent, when all have been answered.
func LoadUntil[T any](stop <-chan struct{}, rate int, send func(i int) T) []T {
	var (
		group   sync.WaitGroup
		results []*T
	)
	for start := time.Now(); ; {
		i := len(results)
		select {
		case <-stop:
			group.Wait()
			all := make([]T, len(results))
			for i, result := range results {
				all[i] = *result
			}
			return all
		case <-time.After(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate)))):
		}
		result := new(T)
		results = append(results, result)
		group.Go(func() { *result = send(i) })
	}
}

// InTurn does something for the numbers from first to end, a few at a time, and forgets what the services have recorded.
func (g *Gateway) InTurn(first, end int, do func(i int)) {
	const atOnce, batch = 8, 2000
	for ; first < end; first += batch {
		var group sync.WaitGroup
		for worker := range atOnce {
			group.Go(func() {
				for i := first + worker; i < min(first+batch, end); i += atOnce {
					do(i)
				}
			})
		}
		group.Wait()
		g.Token.Forget()
		g.Upstream.Forget()
	}
}
