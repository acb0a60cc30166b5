package cache

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// worker is a cache with fakes at its borders: the test moves its clock, ends its fetches and has
// its root context run.
type worker struct {
	*Cache
	clock   *fakeClock
	store   *fakeStore
	fetches []*fakeFetch
	woken   int
	stats   Stats
	panics  []any
	// onFetch, if not nil, is what fetches do at once.
	onFetch func(done func(Result))
}

type fakeClock struct {
	now  time.Duration
	wall time.Time
}

func (c *fakeClock) Monotonic() time.Duration { return c.now }
func (c *fakeClock) Wall() time.Time          { return c.wall }

func (c *fakeClock) pass(d time.Duration) {
	c.now += d
	c.wall = c.wall.Add(d)
}

type fakeFetch struct {
	caller Caller
	done   func(Result)
}

func (w *worker) Fetch(caller Caller, done func(Result)) {
	w.fetches = append(w.fetches, &fakeFetch{caller, done})
	if w.onFetch != nil {
		w.onFetch(done)
	}
}

// ErrorOf knows those of unavailable and refusal.
func (w *worker) ErrorOf(code uint8) error {
	if code == codePanics {
		panic("no such code")
	}
	return map[uint8]error{codeUnavailable: errUnavailable, codeRefused: errRefused}[code]
}

// fakeStore is the host's shared data.
type fakeStore struct {
	data     map[string][]byte
	versions map[string]uint32
	onLoad   func() // runs after a read, once: another worker in between
}

func (s *fakeStore) Load(key string) ([]byte, uint32) {
	data, version := s.data[key], s.versions[key]
	if between := s.onLoad; between != nil {
		s.onLoad = nil
		between()
	}
	return data, version
}

func (s *fakeStore) Swap(key string, data []byte, version uint32) bool {
	if version != s.versions[key] {
		return false
	}
	s.data[key] = append([]byte(nil), data...)
	s.versions[key]++
	return true
}

// fakeCaller is a caller of that name; so many bytes are kept of it.
type fakeCaller struct {
	name string
	size int
}

func (c *fakeCaller) Values() string { return c.name }
func (c *fakeCaller) Key() (k Key)   { copy(k[:], c.name); return k }
func (c *fakeCaller) Size() int      { return c.size }

// find is Find for a caller.
func (w *worker) find(caller Caller) *Entry { return w.Find([]byte(caller.Values()), w.clock.now) }

// request waits. It records what it was told, and how often.
type request struct {
	told  int
	token *Token
	err   error
}

func (r *request) Proceed(t *Token) { r.told++; r.token = t }
func (r *request) Fail(err error)   { r.told++; r.err = err }

const (
	timeout  = 500 * time.Millisecond
	patience = 400 * time.Millisecond
)

func defaults() *Policy {
	return &Policy{Values: 1, RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000, Timeout: timeout, Patience: patience}
}

func newFakeStore() *fakeStore {
	return &fakeStore{data: map[string][]byte{}, versions: map[string]uint32{}}
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Hour, wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

var ownKey = Key{1, 2, 3}

func newWorker(policy *Policy) *worker { return newColleague(policy, newFakeClock(), newFakeStore()) }

// newColleague is one of several workers of a gateway.
func newColleague(policy *Policy, clock *fakeClock, store *fakeStore) *worker {
	w := &worker{clock: clock, store: store}
	w.Cache = New(policy, w, w.common(&Memory{}), store, ownKey)
	return w
}

func newPerCallerWorker(policy *Policy, memory *Memory) *worker {
	w := &worker{clock: newFakeClock()}
	w.Cache = NewPerCaller(policy, w, w.common(memory), nil, Key{})
	return w
}

// newSharingWorker is one of several workers of a gateway, with a token for each caller.
func newSharingWorker(policy *Policy, clock *fakeClock, store *fakeStore) *worker {
	w := &worker{clock: clock, store: store}
	w.Cache = NewPerCaller(policy, w, w.common(&Memory{}), store, ownKey)
	return w
}

func (w *worker) common(memory *Memory) Worker {
	return Worker{
		Clock: w.clock, Memory: memory, Stats: &w.stats,
		Backlog: NewBacklog(func() { w.woken++ }),
		OnPanic: func(cause any) { w.panics = append(w.panics, cause) },
	}
}

// ask is a request for the token that is the same for all.
func (w *worker) ask() (*request, Reply) { return w.askFor(nil) }

func (w *worker) askFor(caller Caller) (*request, Reply) {
	r := &request{}
	_, reply := w.Ask(caller, r)
	return r, reply
}

// run lets the root context take turns until nothing is left.
func (w *worker) run() {
	for w.Backlog.Turn() {
	}
	w.woken = 0
}

func (w *worker) tick() {
	w.Tick(w.clock.Monotonic(), w.clock.Wall())
	w.Backlog.Watch()
	w.run()
}

func good(token string, lifetime time.Duration) Result {
	return Result{Grant: Grant{Values: []string{token}, Lifetime: lifetime}}
}

var (
	errUnavailable = errors.New("answered 503")
	errRefused     = errors.New("answered 400")
)

const (
	codeUnavailable = 1
	codeRefused     = 2
	codePanics      = 3
)

func unavailable() Result {
	return Result{Failure: &Failure{Err: errUnavailable, Unavailable: true, Code: codeUnavailable}}
}
func refusal() Result { return Result{Failure: &Failure{Err: errRefused, Code: codeRefused}} }

// answer ends the latest fetch.
func (w *worker) answer(t testing.TB, r Result) {
	t.Helper()
	if len(w.fetches) == 0 {
		t.Fatal("no fetch to end")
	}
	w.fetches[len(w.fetches)-1].done(r)
	w.run()
}

// fetch is a request, its fetch and the result.
func (w *worker) fetchOnce(t testing.TB, r Result) *request {
	t.Helper()
	return w.fetchFor(t, nil, r)
}

func (w *worker) fetchFor(t testing.TB, caller Caller, result Result) *request {
	t.Helper()
	r, reply := w.askFor(caller)
	if !reply.Waiting {
		t.Fatalf("got %+v, expected to wait for a fetch", reply)
	}
	w.run()
	w.answer(t, result)
	return r
}

// serves checks that a request gets this token at once.
func (w *worker) serves(t testing.TB, want string) *Token {
	t.Helper()
	_, got := w.ask()
	if got.Token == nil || got.Token.Values[0] != want {
		t.Fatalf("got %s, expected to be served with %q", got, want)
	}
	return got.Token
}

func (r Reply) String() string {
	switch {
	case r.Token != nil:
		return fmt.Sprintf("token %q", r.Token.Values[0])
	case r.Waiting:
		return "wait"
	default:
		return fmt.Sprintf("error %v", r.Err)
	}
}
