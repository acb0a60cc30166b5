package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// worker is a cache with fakes at its borders: the test moves its clock, ends its fetches and has
// its root context run.
type worker struct {
	*Cache
	clock   *fakeClock
	fetches []*fakeFetch
	woken   int
	stats   Stats
	panics  []any
	// onFetch, if not nil, is what fetches do at once.
	onFetch func(end func(result))
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
	token.Query
	done func(result) // of a call that was made when the fetch began
	end  func(result) // of a token that is as old as it says
}

// result is what a fetch brings: a token or, if err is not nil, none.
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
	w.fetches = append(w.fetches, &fakeFetch{q, end, func(r result) { done(r.token, r.err) }})
	if w.onFetch != nil {
		w.onFetch(end)
	}
}

// fakeCaller is a caller of that name; so many bytes are kept of it.
type fakeCaller struct {
	name string
	size int
}

func (c *fakeCaller) Values() string     { return c.name }
func (c *fakeCaller) Key() (k token.Key) { copy(k[:], c.name); return k }
func (c *fakeCaller) Size() int          { return c.size }

// find is Find for a caller.
func (w *worker) find(caller token.Caller) *Entry {
	return w.Find([]byte(caller.Values()), w.clock.now)
}

// request waits. It records what it was told, and how often.
type request struct {
	told  int
	token *token.Token
	err   *token.Error
}

func (r *request) Proceed(t *token.Token) { r.told++; r.token = t }
func (r *request) Fail(err *token.Error)  { r.told++; r.err = err }

func defaults() *Policy {
	return &Policy{RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000}
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Hour, wall: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func newWorker(policy *Policy) *worker {
	w := &worker{clock: newFakeClock()}
	w.Cache = New(policy, w, w.common(&Memory{}))
	return w
}

func newPerCallerWorker(policy *Policy, memory *Memory) *worker {
	w := &worker{clock: newFakeClock()}
	w.Cache = NewPerCaller(policy, w, w.common(memory))
	return w
}

func (w *worker) common(memory *Memory) Deps {
	return Deps{
		Clock: w.clock, Memory: memory, Stats: &w.stats,
		Scheduler: NewScheduler(func() { w.woken++ }),
		OnPanic:   func(cause any) { w.panics = append(w.panics, cause) },
	}
}

// ask is a request for the token that is the same for all.
func (w *worker) ask() (*request, Reply) { return w.askFor(nil) }

func (w *worker) askFor(caller token.Caller) (*request, Reply) {
	r := &request{}
	_, reply := w.Ask(caller, r)
	return r, reply
}

// pace has requests leave their fetches to the next batch, as when those before have taken long to begin.
func (w *worker) pace() { w.Scheduler.budget, w.Scheduler.budgetedAt = 0, w.clock.now }

// run lets the root context take turns until nothing is left.
func (w *worker) run() {
	for w.Scheduler.RunBatch() {
	}
	w.woken = 0
}

func (w *worker) tick() {
	w.Tick(w.clock.Monotonic(), w.clock.Wall())
	w.run()
}

func good(text string, lifetime time.Duration) result {
	return result{token: token.Token{Values: []string{text}, Lifetime: lifetime}}
}

var (
	errUnavailable = &token.Error{Reason: token.ServerError, Detail: "answered 503"}
	errRefused     = &token.Error{Reason: token.OtherStatus, Detail: "answered 400"}
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

// answer ends the latest fetch.
func (w *worker) answer(t testing.TB, r result) {
	t.Helper()
	if len(w.fetches) == 0 {
		t.Fatal("no fetch to end")
	}
	w.fetches[len(w.fetches)-1].done(r)
	w.run()
}

// fetch is a request, its fetch and the result.
func (w *worker) fetchOnce(t testing.TB, r result) *request {
	t.Helper()
	return w.fetchFor(t, nil, r)
}

func (w *worker) fetchFor(t testing.TB, caller token.Caller, result result) *request {
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
func (w *worker) serves(t testing.TB, want string) *token.Token {
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
