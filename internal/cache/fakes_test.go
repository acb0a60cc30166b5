package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// worker is a cache with fakes at its borders: the test moves its clock, ends its fetches and has
// its root context run.
type worker struct {
	*Cache
	tokentest.Source
	clock  *tokentest.Clock
	woken  int
	stats  Stats
	panics []any
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

// find is Find for a caller.
func (w *worker) find(caller token.Caller) *Entry {
	return w.Find([]byte(caller.Values()), w.clock.Now)
}

func defaults() *Policy {
	return &Policy{RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000}
}

func newWorker(policy *Policy) *worker {
	w := bareWorker()
	w.Cache = New(policy, w, w.deps(&Memory{}))
	return w
}

func newPerCallerWorker(policy *Policy, memory *Memory) *worker {
	w := bareWorker()
	w.Cache = NewPerCaller(policy, w, w.deps(memory))
	return w
}

func bareWorker() *worker {
	clock := tokentest.NewClock()
	return &worker{clock: clock, Source: tokentest.Source{Clock: clock}}
}

func (w *worker) deps(memory *Memory) Deps {
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
func (w *worker) pace() { w.Scheduler.budget, w.Scheduler.budgetedAt = 0, w.clock.Now }

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

// answer ends the latest fetch.
func (w *worker) answer(t testing.TB, r result) {
	t.Helper()
	w.Latest(t).Done(r)
	w.run()
}

// fetchOnce is a request, its fetch and the result.
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
