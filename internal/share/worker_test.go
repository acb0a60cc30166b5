package share

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// worker is a cache that shares its tokens with others, with fakes at their borders: the test moves the clock, ends the
// calls and has the root context run. What it looks at is what requests are told, the calls, and the counters.
type worker struct {
	*cache.Cache
	tokentest.Source // the calls
	shared           *Source
	clock            *tokentest.Clock
	cells            *fakeCells
	stats            cache.Stats
	panics           []any
}

type (
	request = tokentest.Request
	result  = token.Result
)

var (
	named, callerOf      = tokentest.Named, tokentest.CallerOf
	good                 = tokentest.Good
	unavailable, refusal = tokentest.Unavailable, tokentest.Refusal
)

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

// newPeer is one of several workers of a gateway.
func newPeer(policy *cache.Policy, clock *tokentest.Clock, cells *fakeCells) *worker {
	return newConfigured(ownKey, policy, clock, cells)
}

func newConfigured(key token.Key, policy *cache.Policy, clock *tokentest.Clock, cells KV) *worker {
	w := newBareWorker(clock, cells)
	w.shared = New(NewSharedData(cells, clock, 1), w, w.options(key, policy))
	w.Cache = cache.New(policy, w.shared, w.deps())
	return w
}

// newSharingWorker is one of several workers of a gateway, with a token for each caller.
func newSharingWorker(policy *cache.Policy, clock *tokentest.Clock, cells *fakeCells) *worker {
	w := newBareWorker(clock, cells)
	w.shared = New(NewPerCallerSharedData(cells, clock, 1, policy.MaxEntries), w, w.options(ownKey, policy))
	w.Cache = cache.NewPerCaller(policy, w.shared, w.deps())
	return w
}

func newBareWorker(clock *tokentest.Clock, cells KV) *worker {
	w := &worker{clock: clock, Source: tokentest.Source{Clock: clock}}
	w.cells, _ = cells.(*fakeCells)
	return w
}

func (w *worker) options(key token.Key, policy *cache.Policy) Options {
	return Options{
		Clock: w.clock, Identity: key, Backoff: policy.Backoff, EarliestRenewal: policy.EarliestRenewal,
		Lease: patience, FetchTimeout: callTimeout, PeerTimeout: patience, PollInterval: poll, IsSynchronous: true, PollSoon: func() {},
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
	w.shared.Close()
}

// ask is a request for the token that is the same for all.
func (w *worker) ask() (*request, cache.Reply) { return w.askFor(nil) }

func (w *worker) askFor(caller token.Caller) (*request, cache.Reply) {
	r := &request{}
	_, reply := w.Ask(caller, r)
	return r, reply
}

// find is how a request finds its entry.
func (w *worker) find(caller token.Caller) *cache.Entry {
	if caller == nil {
		return w.Common()
	}
	return w.Find([]byte(caller.Values()), w.clock.Now)
}

// reject has the upstream reject the token that the caller's requests go on with, if there is one.
func (w *worker) reject(caller token.Caller) {
	if e := w.find(caller); e != nil {
		if t := w.Fresh(e, w.clock.Now); t != nil {
			w.Reject(e, t.ID)
		}
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

func (w *worker) watch() { w.shared.Tick(w.clock.Monotonic(), cache.BatchSize) }

// answer ends the latest call.
func (w *worker) answer(t testing.TB, r result) {
	t.Helper()
	w.Latest(t).Done(r)
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
	return w.servesCaller(t, nil, want)
}

func (w *worker) servesCaller(t testing.TB, caller token.Caller, want string) *token.Token {
	t.Helper()
	_, got := w.askFor(caller)
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
