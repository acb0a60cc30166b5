package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/tokentest"
)

func (w *worker) holds(i int) bool { return w.entries[callerOf(i, 0).Key()] != nil }

// Room is made where most of it is taken, so that a configuration with few callers keeps them.
func TestRoomIsMadeInTheLargestCache(t *testing.T) {
	const tenMiB = 10 << 20
	memory := &Memory{}
	small, large := newPerCallerWorker(defaults(), memory), newPerCallerWorker(defaults(), memory)
	small.fetchFor(t, callerOf(1, tenMiB), good("t", time.Minute))
	large.fetchFor(t, callerOf(2, tenMiB), good("t", time.Minute))
	large.fetchFor(t, callerOf(3, tenMiB), good("t", time.Minute))
	small.fetchFor(t, callerOf(4, tenMiB), good("t", time.Minute))
	if !small.holds(1) || !small.holds(4) || !large.holds(3) || large.holds(2) {
		t.Errorf("held: got %v, %v, %v and %v for 1, 4, 3 and 2; expected all but 2, the oldest of the largest cache",
			small.holds(1), small.holds(4), large.holds(3), large.holds(2))
	}
}

// Requests may wait for a fetch that is under way: its entry stays, whatever else comes.
func TestEntriesWithAFetchUnderWayStay(t *testing.T) {
	const most = 15 << 20
	tests := map[string]struct {
		maxEntries, size int
		callers          int // before the one that there is no room for
	}{
		"too many":  {1, 100, 1},
		"too large": {1024, most, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := defaults()
			p.MaxEntries = test.maxEntries
			w := newPerCallerWorker(p, &Memory{})
			for i := range test.callers {
				w.fetchFor(t, callerOf(i, test.size), good("t", 100*time.Second))
			}
			w.clock.Pass(95 * time.Second)
			for i := range test.callers {
				w.Fresh(w.find(callerOf(i, 0)), w.clock.Now) // in use
			}
			w.tick()
			renewals := len(w.Fetches) - test.callers
			if renewals != test.callers {
				t.Fatalf("renewals under way: got %d, expected %d", renewals, test.callers)
			}
			w.fetchFor(t, callerOf(9, test.size), good("t", 100*time.Second))
			for i := range test.callers {
				if !w.holds(i) {
					t.Errorf("caller %d was dropped, and its fetch is under way", i)
				}
			}
		})
	}
}

func TestClosedCacheGivesItsMemoryBack(t *testing.T) {
	memory := &Memory{}
	w := newPerCallerWorker(defaults(), memory)
	w.fetchFor(t, named("kept"), good("t", time.Minute))
	w.fetchFor(t, named("refused"), refusal())
	w.askFor(named("pending"))
	before := memory.used
	for _, h := range []segment{pending, kept, refused} {
		if before[h] == 0 {
			t.Errorf("before: nothing is held of kind %d", h)
		}
	}
	w.Close()
	if memory.used != [segments]int{} || len(memory.caches) != 0 {
		t.Errorf("after: got %v and %d caches, expected nothing", memory.used, len(memory.caches))
	}
	newWorker(defaults()).Close() // has taken nothing
}

// With more entries than one tick looks at, the next tick goes on behind the last, also if just that
// entry has gone elsewhere meanwhile.
func TestSweepGoesOnWhereItStopped(t *testing.T) {
	const count = maxSweep + 100
	tests := map[string]func(w *worker, e *Entry){
		"nothing happens":   func(*worker, *Entry) {},
		"the next is found": func(w *worker, e *Entry) { w.find(e.caller) },
		"it is rejected":    func(w *worker, e *Entry) { w.Reject(e, e.token.ID) },
		"it is asked for":   func(w *worker, e *Entry) { w.askFor(e.caller) },
		"another is found":  func(w *worker, _ *Entry) { w.find(callerOf(0, 0)) },
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			p := defaults()
			p.MaxEntries, p.RefreshBefore = 2*count, 0
			w := newPerCallerWorker(p, &Memory{})
			for i := range count {
				w.fetchFor(t, callerOf(i, 0), good(fmt.Sprint(i), time.Minute))
			}
			w.tick()
			if w.nextToSweep == nil {
				t.Fatal("one tick has looked at all of them")
			}
			happens(w, w.nextToSweep.Value.(*Entry))
			w.clock.Pass(time.Hour)
			w.tick() // the newer ones
			if n := len(w.entries); n > maxSweep {
				t.Errorf("after the second tick: got %d entries, expected at most the %d that the first looked at", n, maxSweep)
			}
			w.tick()
			if n := len(w.entries); n != 0 {
				t.Errorf("after the third tick: got %d entries, expected none", n)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	p := defaults()
	p.MaxEntries = 100_000
	memory := &Memory{}
	w := newPerCallerWorker(p, memory)
	other := newPerCallerWorker(p, memory)
	token := good(string(make([]byte, 15_000)), time.Hour)
	for i := range 3000 {
		w.fetchFor(t, callerOf(i, 15_000), token)
	}
	if used := memory.used[kept]; used > limits[kept] || used < limits[kept]-31_000 {
		t.Errorf("kept: got %d bytes, expected just below %d", used, limits[kept])
	}
	if w.has(callerOf(0, 15_000)) || !w.has(callerOf(2999, 15_000)) {
		t.Error("expected the oldest token to be dropped, and the latest to be kept")
	}
	other.fetchFor(t, named("elsewhere"), token)
	if !other.has(named("elsewhere")) {
		t.Error("a cache next to a large one: got no space, expected some")
	}
	sum := 0
	for _, e := range w.entries {
		if e.segment == kept {
			sum += entrySize(e, kept)
		}
	}
	if sum != w.lists[kept].bytes || memory.used[kept] != sum+other.lists[kept].bytes {
		t.Errorf("counted %d bytes, expected %d", w.lists[kept].bytes, sum)
	}
	w.run()
	w.Close()
	other.Close()
	if memory.used != [segments]int{} || len(memory.caches) != 0 {
		t.Errorf("after Close: got %v, expected nothing", memory.used)
	}
}

// Callers whose fetches are under way, or wait for their batch, fit into limits. Once they have ended, nothing keeps them.
func TestFetchesUnderWayAreBounded(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.pace()
	waiting, denied := 0, 0
	for i := range 2000 {
		switch _, reply := w.askFor(callerOf(i, 16<<10)); {
		case reply.Waiting:
			waiting++
		case tokentest.FailedAs(reply.Err, errTooManyCallers):
			denied++
		}
	}
	if fits := limits[pending] / (16<<10 + entryOverhead); waiting != fits || denied != 2000-fits {
		t.Errorf("got %d waiting and %d denied, expected %d and %d", waiting, denied, fits, 2000-fits)
	}
	queued := w.Scheduler.fetches
	if len(queued) != waiting {
		t.Fatalf("got %d fetches that wait for their batch, expected %d", len(queued), waiting)
	}
	w.run()
	for _, fetch := range w.Fetches {
		fetch.Done(unavailable())
	}
	w.run()
	if w.Memory.used != [segments]int{} || len(w.entries) != 0 {
		t.Errorf("after they have failed: got %v, expected nothing", w.Memory.used)
	}
	for _, f := range queued { // the array is there as long as the scheduler
		if f.entry != nil {
			t.Fatalf("the array of an empty backlog keeps the caller %s, expected none", f.entry.caller.Values())
		}
	}
}

// A caller that is refused when its token is to be renewed counts with 640 bytes, so its token must not be kept
// with it.
func TestRefusedCallerKeepsNoToken(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	c := callerOf(1, 16<<10)
	w.fetchFor(t, c, good(strings.Repeat("t", 16<<10), 10*time.Second))
	w.clock.Pass(9500 * time.Millisecond)
	w.askFor(c)
	w.tick() // renewed
	w.answer(t, refusal())
	w.clock.Pass(time.Second) // the token is over
	w.tick()
	e := w.entries[c.Key()]
	if e == nil || e.segment != refused {
		t.Fatalf("got %+v, expected a refused caller", e)
	}
	if e.token != nil {
		t.Errorf("a token of %d bytes is kept where %d bytes are counted", len(e.token.Values[0]), e.size)
	}
}
