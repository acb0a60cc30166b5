package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// gateway has so many workers that share the tokens of callers.
func gateway(policy *Policy, count int) (clock *fakeClock, workers []*worker) {
	clock, store := newFakeClock(), newFakeStore()
	for range count {
		workers = append(workers, newSharingWorker(policy, clock, store))
	}
	return clock, workers
}

// servesCaller checks that a caller's request gets this token at once.
func (w *worker) servesCaller(t testing.TB, caller token.Caller, want string) {
	t.Helper()
	_, got := w.askFor(caller)
	if got.Token == nil || got.Token.Values[0] != want {
		t.Fatalf("%s got %s, expected to be served with %q", caller.Values(), got, want)
	}
}

func countFetches(workers []*worker) (n int) {
	for _, w := range workers {
		n += len(w.fetches)
	}
	return n
}

func TestWorkersShareTokensOfCallers(t *testing.T) {
	_, workers := gateway(defaults(), 4)
	for i := range 1000 {
		c := callerOf(i, 0)
		workers[i%4].fetchFor(t, c, good(fmt.Sprint("token of ", i), time.Minute))
		for _, w := range workers {
			w.servesCaller(t, c, fmt.Sprint("token of ", i))
		}
	}
	if n := countFetches(workers); n != 1000 {
		t.Errorf("got %d fetches, expected one for each of 1000 callers", n)
	}
	if n := len(workers[0].store.data); n > 1024 {
		t.Errorf("got %d keys, expected at most maxEntries", n)
	}
}

// What is kept in the worker costs no look into the store.
func TestCachedCallerNeedsNoStore(t *testing.T) {
	_, workers := gateway(defaults(), 1)
	w := workers[0]
	w.fetchFor(t, named("a"), good("t", time.Minute))
	w.store.onLoad = func() { t.Error("the store was read") }
	e := w.find(named("a"))
	if e == nil || e.Fresh(w.clock.now) == nil {
		t.Fatal("the token is not found")
	}
	w.servesCaller(t, named("a"), "t")
	w.tick()
}

// What a worker drops, as it keeps too many, it finds again among what is shared.
func TestDroppedCallerIsFoundAgain(t *testing.T) {
	p := defaults()
	p.MaxEntries = 2
	_, workers := gateway(p, 1)
	w := workers[0]
	for i := range 10 {
		w.fetchFor(t, callerOf(i, 0), good(fmt.Sprint("token of ", i), time.Minute))
	}
	for i := range 10 {
		w.servesCaller(t, callerOf(i, 0), fmt.Sprint("token of ", i))
	}
	if len(w.lists[kept].elements()) != 2 {
		t.Errorf("kept: got %d, expected maxEntries", len(w.lists[kept].elements()))
	}
}

func (l *entryList) elements() (entries []*Entry) {
	for element := l.Front(); element != nil; element = element.Next() {
		entries = append(entries, element.Value.(*Entry))
	}
	return entries
}

func TestRefusalHoldsForAllWorkers(t *testing.T) {
	clock, workers := gateway(defaults(), 3)
	a, b, c := workers[0], workers[1], workers[2]
	a.fetchFor(t, named("bad"), refusal())
	for range 3 {
		if _, reply := b.askFor(named("bad")); !failedAs(reply.Err, errRefused) {
			t.Errorf("another worker: got %s, expected to be denied without a fetch", reply)
		}
	}
	if _, reply := b.askFor(named("good")); !reply.Waiting {
		t.Errorf("another caller: got %s, expected a fetch", reply)
	}
	clock.pass(1300 * time.Millisecond)
	b.fetchFor(t, named("bad"), refusal()) // the second
	clock.pass(1900 * time.Millisecond)
	for i, w := range []*worker{a, c} {
		if _, reply := w.askFor(named("bad")); !failedAs(reply.Err, errRefused) {
			t.Errorf("worker %d, after the second refusal: got %s, expected its wait to have doubled", i, reply)
		}
	}
	clock.pass(time.Second)
	c.fetchFor(t, named("bad"), good("t", time.Minute))
	a.servesCaller(t, named("bad"), "t")
	b.servesCaller(t, named("bad"), "t")
}

// A caller who is refused again and again does not make the worker read the store each time.
func TestRefusedCallerSparesTheStore(t *testing.T) {
	_, workers := gateway(defaults(), 1)
	w := workers[0]
	w.fetchFor(t, named("bad"), refusal())
	loads := 0
	for range 1000 {
		w.store.onLoad = func() { loads++ }
		w.askFor(named("bad"))
	}
	if loads > 1 {
		t.Errorf("the store was read %d times for 1000 requests at once, expected 1", loads)
	}
}

func TestRejectionHoldsForAllWorkers(t *testing.T) {
	clock, workers := gateway(defaults(), 3)
	a, b, c := workers[0], workers[1], workers[2]
	a.fetchFor(t, named("a"), good("t1", time.Hour))
	b.servesCaller(t, named("a"), "t1")
	for _, w := range []*worker{a, b} {
		e := w.find(named("a"))
		w.Reject(e, e.token.ID)
	}
	if a.stats.Invalidated != 1 || b.stats.Invalidated != 0 {
		t.Errorf("invalidations: got %d and %d, expected 1 and 0", a.stats.Invalidated, b.stats.Invalidated)
	}
	c.fetchFor(t, named("a"), good("t2", time.Hour))
	a.servesCaller(t, named("a"), "t2")
	b.servesCaller(t, named("a"), "t2")
	e := b.find(named("a"))
	clock.pass(10 * time.Millisecond)
	b.Reject(e, e.token.ID)
	b.servesCaller(t, named("a"), "t2") // within the wait that the first rejection began, in another worker
}

// One worker renews the token of a caller, whichever they come to, and all go on with it.
func TestRenewalForAllWorkers(t *testing.T) {
	clock, workers := gateway(defaults(), 3)
	workers[0].fetchFor(t, named("a"), good("t1", 100*time.Second))
	clock.pass(90 * time.Second)
	for _, w := range workers {
		w.servesCaller(t, named("a"), "t1")
		w.find(named("a"))
		w.tick()
	}
	if n := countFetches(workers); n != 2 {
		t.Fatalf("got %d fetches, expected the first and one renewal", n)
	}
	workers[0].answer(t, good("t2", 100*time.Second))
	clock.pass(lookPause)
	for _, w := range workers {
		w.tick()
		w.servesCaller(t, named("a"), "t2")
	}
}

// While another worker renews, requests do not ask the store each time whether it has done so.
func TestRenewalElsewhereSparesTheStore(t *testing.T) {
	clock, workers := gateway(defaults(), 2)
	workers[0].fetchFor(t, named("a"), good("t1", 100*time.Second))
	clock.pass(90 * time.Second)
	for _, w := range workers {
		w.servesCaller(t, named("a"), "t1")
	}
	workers[0].tick()
	loads := 0
	for range 1000 {
		workers[1].store.onLoad = func() { loads++ }
		workers[1].find(named("a"))
	}
	if loads > 1 {
		t.Errorf("the store was read %d times for 1000 requests at once, expected 1", loads)
	}
}

func TestStaleTokenOfARefusedCallerServesNowhere(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Hour
	clock, workers := gateway(p, 2)
	a, b := workers[0], workers[1]
	a.fetchFor(t, named("a"), good("old", 10*time.Second))
	b.servesCaller(t, named("a"), "old")
	clock.pass(11 * time.Second)
	a.fetchFor(t, named("a"), refusal())
	if _, reply := b.askFor(named("a")); !failedAs(reply.Err, errRefused) {
		t.Errorf("the other worker: got %s, expected the refusal", reply)
	}
	clock.pass(time.Minute)
	if r := b.fetchFor(t, named("a"), unavailable()); r.token != nil {
		t.Errorf("got the token %q, which was refused", r.token.Values[0])
	}
}

// Shared data can't be deleted: there are no more keys than maxEntries, or 2048, and none is larger than 32 KiB.
func TestSharedCallersAreBounded(t *testing.T) {
	for maxEntries, most := range map[int]int{1: 1, 3: 3, 100_000: callerBuckets} {
		for _, size := range []int{10, 3000, 16 << 10} {
			p := defaults()
			p.MaxEntries = maxEntries
			_, workers := gateway(p, 1)
			w := workers[0]
			for i := range 5000 {
				w.fetchFor(t, callerOf(i, 10), good(strings.Repeat("t", size), time.Hour))
			}
			used := 0
			for key, data := range w.store.data {
				if len(data) > 32<<10 {
					t.Errorf("key %s has %d bytes, expected at most 32 KiB", key, len(data))
				}
				used += len(data)
			}
			if len(w.store.data) > most || used > 64<<20 {
				t.Errorf("maxEntries %d, tokens of %d bytes: %d keys of %d bytes, expected at most %d of 64 MiB", maxEntries, size, len(w.store.data), used, most)
			}
		}
	}
}

// A token that has no room is not shared, and holds up nobody.
func TestTokenThatIsTooLargeToBeShared(t *testing.T) {
	_, workers := gateway(defaults(), 2)
	huge := strings.Repeat("t", 40<<10)
	workers[0].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[1].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[0].servesCaller(t, named("a"), huge)
}
