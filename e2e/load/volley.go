package load

import (
	"slices"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// limit bounds every wait of these tests for something that should happen.
const limit = 20 * time.Second

// volley is a number of numbered requests with their answers.
type volley struct {
	connections []*harness.Streams
	perStream   int // requests on a connection, all sent before the next one's

	mu      sync.Mutex // guards answers and left
	sentAt  []time.Time
	answers []harness.StreamAnswer
	left    int
	done    chan struct{} // closed when all are answered
}

// streamsPerConnection is below the 1,024 that Envoy allows.
const streamsPerConnection = 500

// newVolley opens the connections for count requests at once.
func newVolley(t *testing.T, gateway *harness.Gateway, count int) *volley {
	t.Helper()
	connections := (count + streamsPerConnection - 1) / streamsPerConnection
	v := &volley{
		perStream: (count + connections - 1) / connections,
		sentAt:    make([]time.Time, count),
		answers:   make([]harness.StreamAnswer, count),
		left:      count,
		done:      make(chan struct{}),
	}
	for range connections {
		v.connections = append(v.connections, gateway.OpenStreams(t, v.take))
	}
	return v
}

func (v *volley) take(number int, answer harness.StreamAnswer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers[number] = answer
	v.left--
	if v.left == 0 {
		close(v.done)
	}
}

// sendInTurn sends all requests, each connection's when the gateway has all of those before,
// so that they reach the plugin in the order of their numbers. The request of number i has
// what fields says: host, path, headers.
func (v *volley) sendInTurn(t *testing.T, gateway *harness.Gateway, fields func(i int) []string) {
	t.Helper()
	for first := 0; first < len(v.answers); first += v.perStream {
		end := min(first+v.perStream, len(v.answers))
		for i := first; i < end; i++ {
			v.send(t, v.connections[first/v.perStream], i, fields(i))
		}
		v.flush(t, v.connections[first/v.perStream])
		gateway.WaitActive(t, end)
	}
}

// sendAtOnce sends all requests without waiting for anything.
func (v *volley) sendAtOnce(t *testing.T, fields func(i int) []string) {
	t.Helper()
	for i := range v.answers {
		v.send(t, v.connections[i/v.perStream], i, fields(i))
	}
	for _, connection := range v.connections {
		v.flush(t, connection)
	}
}

// sendSteadily sends all requests at a rate per second, whether the earlier ones are answered
// or not, over the connections in turn.
func (v *volley) sendSteadily(t *testing.T, rate int, fields func(i int) []string) {
	t.Helper()
	start := time.Now()
	for i := range v.answers {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		connection := v.connections[i%len(v.connections)]
		v.send(t, connection, i, fields(i))
		v.flush(t, connection)
	}
}

func (v *volley) send(t *testing.T, connection *harness.Streams, i int, fields []string) {
	t.Helper()
	v.sentAt[i] = time.Now()
	if err := connection.Send(i, fields[0], fields[1], fields[2:]...); err != nil {
		t.Fatalf("request %d could not be sent: %v", i, err)
	}
}

func (v *volley) flush(t *testing.T, connection *harness.Streams) {
	t.Helper()
	if err := connection.Flush(); err != nil {
		t.Fatal(err)
	}
}

// wait returns the answers once all have come.
func (v *volley) wait(t *testing.T) []harness.StreamAnswer {
	t.Helper()
	select {
	case <-v.done:
	case <-time.After(limit):
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left > 0 {
		t.Errorf("%d of %d requests were not answered within %s", v.left, len(v.answers), limit)
	}
	return slices.Clone(v.answers)
}

// took is how long each request took, in order of their numbers.
func (v *volley) took(answers []harness.StreamAnswer) []time.Duration {
	took := make([]time.Duration, len(answers))
	for i, answer := range answers {
		took[i] = answer.Time.Sub(v.sentAt[i])
	}
	return took
}

// same is a request that all are alike.
func same(host, path string, headers ...string) func(int) []string {
	fields := append([]string{host, path}, headers...)
	return func(int) []string { return fields }
}

// checkAll checks that all requests were answered alike.
func checkAll(t *testing.T, answers []harness.StreamAnswer, status int, body string) {
	t.Helper()
	wrong, example := 0, harness.StreamAnswer{}
	for _, answer := range answers {
		if answer.Status != status || answer.Body != body {
			wrong, example = wrong+1, answer
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d requests were answered otherwise than %d %q, such as %d %q (%s)",
			wrong, len(answers), status, body, example.Status, example.Body, example.Details)
	}
}

// percentile of some times, p between 0 and 1.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}
