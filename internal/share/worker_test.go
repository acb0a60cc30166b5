package share

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
)

// worker is a cache that shares its tokens with others, with fakes at their borders: the test moves the clock, ends the
// calls and has the root context run. What it looks at is what requests are told, the calls, and the counters.
type worker struct {
	*cache.Cache
	source  *Source
	clock   *fakeClock
	cells   *fakeCells
	fetches []*fakeFetch
	stats   cache.Stats
	panics  []any
	// onFetch, if not nil, is what calls do at once.
	onFetch func(done func(result))
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

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Hour, wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

type fakeFetch struct {
	token.Query
	sentAt time.Duration
	done   func(result)
}

// result is what a call brings: a token or, if err is not nil, none.
type result struct {
	token token.Token
	err   *token.Error
}

func (w *worker) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	sentAt := w.clock.now
	end := func(r result) {
		r.token.Age = w.clock.now - sentAt
		done(r.token, r.err)
	}
	w.fetches = append(w.fetches, &fakeFetch{q, sentAt, end})
	if w.onFetch != nil {
		w.onFetch(end)
	}
}

// fakeCells are the host's shared data.
type fakeCells struct {
	data     map[string][]byte
	versions map[string]uint32
	onLoad   func() // runs after a read, once: another worker in between
}

func newFakeCells() *fakeCells {
	return &fakeCells{data: map[string][]byte{}, versions: map[string]uint32{}}
}

func (s *fakeCells) Load(key string) ([]byte, uint32) {
	data, version := s.data[key], s.versions[key]
	if between := s.onLoad; between != nil {
		s.onLoad = nil
		between()
	}
	return data, version
}

func (s *fakeCells) CompareAndSwap(key string, data []byte, version uint32) bool {
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

func (c *fakeCaller) Values() string     { return c.name }
func (c *fakeCaller) Key() (k token.Key) { copy(k[:], c.name); return k }
func (c *fakeCaller) Size() int          { return c.size }
func named(name string) *fakeCaller      { return &fakeCaller{name: name} }
func callerOf(i, size int) *fakeCaller   { return &fakeCaller{name: fmt.Sprint(i), size: size} }

// request waits. It records what it was told, and how often.
type request struct {
	told  int
	token *token.Token
	err   *token.Error
}

func (r *request) Proceed(t *token.Token) { r.told++; r.token = t }
func (r *request) Fail(err *token.Error)  { r.told++; r.err = err }

const (
	callTimeout = 400 * time.Millisecond
	// patience is for how long a worker waits for another's call.
	patience = callTimeout + 100*time.Millisecond
	poll     = 4 * time.Millisecond
)

func defaults() *cache.Policy {
	return &cache.Policy{RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000}
}

var ownKey = token.Key{1, 2, 3}

func newWorker(policy *cache.Policy) *worker {
	return newPeer(policy, newFakeClock(), newFakeCells())
}

// newPeer is one of several workers of a gateway.
func newPeer(policy *cache.Policy, clock *fakeClock, cells *fakeCells) *worker {
	return newConfigured(ownKey, policy, clock, cells)
}

func newConfigured(key token.Key, policy *cache.Policy, clock *fakeClock, cells KV) *worker {
	w := &worker{clock: clock}
	w.cells, _ = cells.(*fakeCells)
	w.source = New(NewSharedData(cells, clock, 1), w, w.options(key, policy))
	w.Cache = cache.New(policy, w.source, w.deps())
	return w
}

// newSharingWorker is one of several workers of a gateway, with a token for each caller.
func newSharingWorker(policy *cache.Policy, clock *fakeClock, cells *fakeCells) *worker {
	w := &worker{clock: clock, cells: cells}
	w.source = New(NewPerCallerSharedData(cells, clock, 1, policy.MaxEntries), w, w.options(ownKey, policy))
	w.Cache = cache.NewPerCaller(policy, w.source, w.deps())
	return w
}

func (w *worker) options(key token.Key, policy *cache.Policy) Options {
	return Options{
		Clock: w.clock, Identity: key, Backoff: policy.Backoff, EarliestRenewal: policy.EarliestRenewal,
		Lease: patience, FetchTimeout: callTimeout, PeerTimeout: patience, PollInterval: poll, IsSynchronous: true, Wake: func() {},
	}
}

func (w *worker) deps() cache.Deps {
	return cache.Deps{
		Clock: w.clock, Memory: &cache.Memory{}, Stats: &w.stats,
		Scheduler: cache.NewScheduler(func() {}),
		OnPanic:   func(cause any) { w.panics = append(w.panics, cause) },
	}
}

// Close is what the gateway does with a configuration that is replaced.
func (w *worker) Close() {
	w.Cache.Close()
	w.source.Close()
}

// ask is a request for the token that is the same for all.
func (w *worker) ask() (*request, cache.Reply) { return w.askFor(nil) }

func (w *worker) askFor(caller token.Caller) (*request, cache.Reply) {
	r := &request{}
	_, reply := w.Ask(caller, r)
	return r, reply
}

// find is Find for a caller.
func (w *worker) find(caller token.Caller) *cache.Entry {
	return w.Find([]byte(caller.Values()), w.clock.now)
}

// reject has the upstream reject the token that the caller's requests go on with, if there is one.
func (w *worker) reject(caller token.Caller) {
	e := w.Common()
	if caller != nil {
		e = w.find(caller)
	}
	if e == nil {
		return
	}
	if t := e.Fresh(w.clock.now); t != nil {
		w.Reject(e, t.ID)
	}
}

// run lets the root context take turns until nothing is left.
func (w *worker) run() {
	for w.Scheduler.RunBatch() {
	}
}

func (w *worker) tick() {
	w.Tick(w.clock.Monotonic(), w.clock.Wall())
	w.watch()
	w.run()
}

func (w *worker) watch() { w.source.Tick(w.clock.Monotonic(), cache.BatchSize) }

func good(text string, lifetime time.Duration) result {
	return result{token: token.Token{Values: []string{text}, Lifetime: lifetime}}
}

var (
	errUnavailable = &token.Error{Reason: token.ServerError, Detail: "answered 503"}
	errRefused     = &token.Error{Reason: token.OtherStatus, Detail: "answered 400"}
	errInternal    = &token.Error{Reason: token.Internal, Detail: "panicked"}
)

func unavailable() result { return result{err: errUnavailable} }
func refusal() result     { return result{err: errRefused} }

// unavailableFor is unavailable with a Retry-After.
func unavailableFor(d time.Duration) result {
	return result{err: &token.Error{Reason: token.ServerError, RetryAfter: d, Detail: "answered 503"}}
}

// failedAs reports whether a request was told this error, whatever its detail and wait.
func failedAs(got, want *token.Error) bool {
	return (got == nil) == (want == nil) && (got == nil || got.Reason == want.Reason)
}

// answer ends the latest call.
func (w *worker) answer(t testing.TB, r result) {
	t.Helper()
	if len(w.fetches) == 0 {
		t.Fatal("no call to end")
	}
	w.fetches[len(w.fetches)-1].done(r)
	w.run()
}

// fetchOnce is a request, its call and the result.
func (w *worker) fetchOnce(t testing.TB, r result) *request {
	t.Helper()
	return w.fetchFor(t, nil, r)
}

func (w *worker) fetchFor(t testing.TB, caller token.Caller, result result) *request {
	t.Helper()
	r, reply := w.askFor(caller)
	if !reply.Waiting {
		t.Fatalf("got %s, expected to wait for a call", told(reply))
	}
	w.run()
	w.answer(t, result)
	return r
}

// serves checks that a request gets this token at once.
func (w *worker) serves(t testing.TB, want string) *token.Token {
	t.Helper()
	_, got := w.ask()
	if got.Token == nil || got.Token.Values[0] != want {
		t.Fatalf("got %s, expected to be served with %q", told(got), want)
	}
	return got.Token
}

func told(r cache.Reply) string {
	switch {
	case r.Token != nil:
		return fmt.Sprintf("token %q", r.Token.Values[0])
	case r.Waiting:
		return "wait"
	default:
		return fmt.Sprintf("error %v", r.Err)
	}
}
