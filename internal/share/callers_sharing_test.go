package share

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
)

// sharingWorkers has so many workers that share the tokens of callers.
func sharingWorkers(policy *cache.Policy, count int) (clock *fakeClock, workers []*worker) {
	clock, cells := newFakeClock(), newFakeCells()
	for range count {
		workers = append(workers, newSharingWorker(policy, clock, cells))
	}
	return clock, workers
}

// servesCaller checks that a caller's request gets this token at once.
func (w *worker) servesCaller(t testing.TB, caller token.Caller, want string) {
	t.Helper()
	_, got := w.askFor(caller)
	if got.Token == nil || got.Token.Values[0] != want {
		t.Fatalf("%s got %s, expected to be served with %q", caller.Values(), told(got), want)
	}
}

func countFetches(workers []*worker) (n int) {
	for _, w := range workers {
		n += len(w.fetches)
	}
	return n
}

func TestWorkersShareTokensOfCallers(t *testing.T) {
	_, workers := sharingWorkers(defaults(), 4)
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
	if n := len(workers[0].cells.data); n > 1024 {
		t.Errorf("got %d keys, expected at most maxEntries", n)
	}
}

// What is kept in the worker costs no look into the cells.
func TestCachedCallerNeedsNoStore(t *testing.T) {
	_, workers := sharingWorkers(defaults(), 1)
	w := workers[0]
	w.fetchFor(t, named("a"), good("t", time.Minute))
	w.cells.onLoad = func() { t.Error("the cells was read") }
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
	_, workers := sharingWorkers(p, 1)
	w := workers[0]
	for i := range 10 {
		w.fetchFor(t, callerOf(i, 0), good(fmt.Sprint("token of ", i), time.Minute))
	}
	for i := range 10 {
		w.servesCaller(t, callerOf(i, 0), fmt.Sprint("token of ", i))
	}
	if n := len(w.fetches); n != 10 {
		t.Errorf("got %d calls, expected one for each caller", n)
	}
}

// A caller who is refused again and again does not make the worker read the cells each time.
func TestRefusedCallerSparesTheStore(t *testing.T) {
	_, workers := sharingWorkers(defaults(), 1)
	w := workers[0]
	w.fetchFor(t, named("bad"), refusal())
	loads := 0
	for range 1000 {
		w.cells.onLoad = func() { loads++ }
		w.askFor(named("bad"))
	}
	if loads > 1 {
		t.Errorf("the cells was read %d times for 1000 requests at once, expected 1", loads)
	}
}

// However an upstream rejects one token after the other, all workers together ask for as many as one would.
func TestRejectionsInTwoWorkersAreSpaced(t *testing.T) {
	clock, workers := sharingWorkers(defaults(), 2)
	for range 60 * 100 {
		for _, w := range workers {
			r, reply := w.askFor(named("a"))
			w.run()
			if reply.Waiting && r.told == 0 {
				w.answer(t, good(fmt.Sprint("t", countFetches(workers)), time.Hour))
			}
			w.reject(named("a"))
		}
		clock.pass(10 * time.Millisecond)
	}
	if n := countFetches(workers); n > 8 { // at once, then after 1, 3, 7, 15 and 31 s and a little
		t.Errorf("a minute of rejections: got %d calls, expected at most 8", n)
	}
}

// One worker renews the token of a caller, whichever they come to, and all go on with it.
func TestRenewalForAllWorkers(t *testing.T) {
	clock, workers := sharingWorkers(defaults(), 3)
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
	clock.pass(200 * time.Millisecond)
	for _, w := range workers {
		w.tick()
		w.servesCaller(t, named("a"), "t2")
	}
}

// While another worker renews, requests do not ask the cells each time whether it has done so.
func TestRenewalElsewhereSparesTheStore(t *testing.T) {
	clock, workers := sharingWorkers(defaults(), 2)
	workers[0].fetchFor(t, named("a"), good("t1", 100*time.Second))
	clock.pass(90 * time.Second)
	for _, w := range workers {
		w.servesCaller(t, named("a"), "t1")
	}
	workers[0].tick()
	loads := 0
	for range 1000 {
		workers[1].cells.onLoad = func() { loads++ }
		workers[1].find(named("a"))
	}
	if loads > 1 {
		t.Errorf("the cells was read %d times for 1000 requests at once, expected 1", loads)
	}
}

func TestStaleTokenOfARefusedCallerServesNowhere(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Hour
	clock, workers := sharingWorkers(p, 2)
	a, b := workers[0], workers[1]
	a.fetchFor(t, named("a"), good("old", 10*time.Second))
	b.servesCaller(t, named("a"), "old")
	clock.pass(11 * time.Second)
	a.fetchFor(t, named("a"), refusal())
	if _, reply := b.askFor(named("a")); !failedAs(reply.Err, errRefused) {
		t.Errorf("the other worker: got %s, expected the refusal", told(reply))
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
			_, workers := sharingWorkers(p, 1)
			w := workers[0]
			for i := range 5000 {
				w.fetchFor(t, callerOf(i, 10), good(strings.Repeat("t", size), time.Hour))
			}
			used := 0
			for key, data := range w.cells.data {
				if len(data) > 32<<10 {
					t.Errorf("key %s has %d bytes, expected at most 32 KiB", key, len(data))
				}
				used += len(data)
			}
			if len(w.cells.data) > most || used > 64<<20 {
				t.Errorf("maxEntries %d, tokens of %d bytes: %d keys of %d bytes, expected at most %d of 64 MiB", maxEntries, size, len(w.cells.data), used, most)
			}
		}
	}
}

// A token that has no room is not shared, and holds up nobody.
func TestTokenThatIsTooLargeToBeShared(t *testing.T) {
	_, workers := sharingWorkers(defaults(), 2)
	huge := strings.Repeat("t", 40<<10)
	workers[0].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[1].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[0].servesCaller(t, named("a"), huge)
}
