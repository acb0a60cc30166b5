package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fakeHost stands for the gateway: the test moves its clock, answers its calls and
// sees what it was told. Workers of one gateway share their store.
type fakeHost struct {
	clock   time.Duration
	wall    time.Time
	woken   int
	calls   []*fakeCall
	refuses *failure // what the next dispatches come back with
	store   *fakeStore
	lines   []string
}

type fakeCall struct {
	call tokenCall
	done answered
}

type fakeStore struct {
	data   map[string][]byte
	cas    map[string]uint32
	onRead func() // runs after a read, once: another worker in between
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		clock: time.Hour,
		wall:  time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		store: &fakeStore{data: map[string][]byte{}, cas: map[string]uint32{}},
	}
}

func (h *fakeHost) monotonic() time.Duration { return h.clock }
func (h *fakeHost) wallClock() time.Time     { return h.wall }
func (h *fakeHost) wakeRoot()                { h.woken++ }

func (h *fakeHost) pass(d time.Duration) {
	h.clock += d
	h.wall = h.wall.Add(d)
}

func (h *fakeHost) dispatch(call tokenCall, _ bool, done answered) *failure {
	if h.refuses != nil {
		return h.refuses
	}
	h.calls = append(h.calls, &fakeCall{call, done})
	return nil
}

func (h *fakeHost) sharedData(key string) ([]byte, uint32) {
	data, cas := h.store.data[key], h.store.cas[key]
	if between := h.store.onRead; between != nil {
		h.store.onRead = nil
		between()
	}
	return data, cas
}

// As in Envoy: a cas of 0 overwrites, and a key that is missing takes any.
func (h *fakeHost) setSharedData(key string, data []byte, cas uint32) bool {
	if current, exists := h.store.cas[key]; exists && cas != 0 && cas != current {
		return false
	}
	h.store.data[key] = append([]byte(nil), data...)
	h.store.cas[key]++
	return true
}

func (h *fakeHost) logf(_ logLevel, format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

// fakeRequest is a waiting request. It records what it was told, and how often.
type fakeRequest struct {
	name  string
	told  int
	token *token
	fails failure
}

func (r *fakeRequest) proceed(t *token) { r.told++; r.token = t }
func (r *fakeRequest) fail(f failure)   { r.told++; r.fails = f }

// worker is a tokenSource with its fake host.
type worker struct {
	*fakeHost
	source *tokenSource
}

func newWorker(t testing.TB, config string) *worker {
	t.Helper()
	h := newFakeHost()
	return &worker{h, newTokenSource(newClient(mustParse(t, config).global, h, &metrics{}))}
}

// colleague is another worker of the same gateway.
func (w *worker) colleague(t testing.TB, config string) *worker {
	other := newWorker(t, config)
	other.store = w.store
	other.clock, other.wall = w.clock, w.wall
	return other
}

func (w *worker) metrics() *metrics { return w.source.client.metrics }

// ask is a request that needs the token for all.
func (w *worker) ask() (*fakeRequest, reply) {
	r := &fakeRequest{}
	return r, w.source.ask(w.source.common, r)
}

// runRoot lets the root context run when it was woken.
func (w *worker) runRoot() {
	if w.woken > 0 {
		w.woken = 0
		w.source.startCalls()
	}
}

func (w *worker) tick() { w.source.tick(w.clock) }

func good(token string, expiresIn int) answer {
	return answer{status: 200, headers: [][2]string{{"x-token", token}}, body: fmt.Appendf(nil, `{"expires_in": %d}`, expiresIn)}
}

// answer ends the latest call.
func (w *worker) answer(t testing.TB, a answer) {
	t.Helper()
	if len(w.calls) == 0 {
		t.Fatal("no call to answer")
	}
	w.calls[len(w.calls)-1].done.answered(a)
}

// fetch is a request, its call and its answer.
func (w *worker) fetch(t testing.TB, a answer) *fakeRequest {
	t.Helper()
	r, told := w.ask()
	if told.told != waiting {
		t.Fatalf("fetch: got %v, expected to wait", told)
	}
	w.runRoot()
	w.answer(t, a)
	return r
}

// serves checks that a request gets this token at once.
func (w *worker) serves(t testing.TB, want string) *token {
	t.Helper()
	_, got := w.ask()
	if got.told != served || got.token.values[0] != want {
		t.Fatalf("got %+v, expected to be served with %q", got, want)
	}
	return got.token
}

func (w *worker) logContains(text string) bool {
	return strings.Contains(strings.Join(w.lines, "\n"), text)
}
