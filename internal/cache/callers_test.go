package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// has reports whether the caller's token is there without a fetch.
func (w *worker) has(caller token.Caller) bool {
	_, reply := w.askFor(caller)
	reply.Ticket.Cancel()
	return reply.Token != nil
}

// Find compares the values and not their hash, and does not find one that was dropped.
func TestEachCallerHasATokenOfItsOwn(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	const long = "0123456789abcdef" // as long as the key
	for _, name := range []string{"a", "b", long + "a"} {
		w.fetchFor(t, named(name), good("token of "+name, time.Minute))
	}
	for _, name := range []string{"a", "b", long + "a"} {
		e := w.find(named(name))
		if _, reply := w.askFor(named(name)); e == nil || reply.Token == nil || reply.Token.Values[0] != "token of "+name {
			t.Errorf("%s: got %v and %s, expected its own", name, e, reply)
		}
	}
	for _, name := range []string{"c", long, long + "b"} {
		if w.find(named(name)) != nil {
			t.Errorf("%s: found another caller's entry", name)
		}
	}
	w.clock.Pass(time.Minute)
	w.tick()
	if w.find(named(long+"a")) != nil || len(w.byValues)+len(w.entries) != 0 || w.Memory.used != [segments]int{} {
		t.Errorf("after the tokens' end: got %d entries and %v bytes, expected none", len(w.entries), w.Memory.used)
	}
}

func TestLeastRecentlyUsedCallerGoes(t *testing.T) {
	p := defaults()
	p.MaxEntries = 2
	w := newPerCallerWorker(p, &Memory{})
	for _, name := range []string{"a", "b"} {
		w.fetchFor(t, named(name), good(name, time.Minute))
	}
	w.find(named("a"))
	w.fetchFor(t, named("c"), good("c", time.Minute))
	if !w.has(named("a")) || !w.has(named("c")) || w.has(named("b")) {
		t.Error("expected b to go: a was used after it")
	}
}

func TestRefusedCallersPushNobodyOut(t *testing.T) {
	p := defaults()
	p.MaxEntries = 50
	w := newPerCallerWorker(p, &Memory{})
	w.fetchFor(t, named("good"), good("t1", time.Hour))
	for i := range 5000 {
		w.fetchFor(t, callerOf(i, 15_000), refusal())
	}
	if !w.has(named("good")) {
		t.Error("the good caller's token was dropped")
	}
	if n := len(w.entries); n != 51 {
		t.Errorf("entries: got %d, expected the good one and the 50 latest refused", n)
	}
	if used := w.Memory.used; used[refused] != 50*entryOverhead || used[pending] != 0 {
		t.Errorf("memory: got %v, expected no more than 50 entries of refused callers", used)
	}
	_, latest := w.askFor(callerOf(4999, 15_000))
	if !tokentest.FailedAs(latest.Err, tokentest.ErrRefused) {
		t.Errorf("the latest refused caller: got %s, expected to be denied without a fetch", latest)
	}
	if e := w.entries[callerOf(4999, 0).Key()]; e.caller != nil || len(w.byValues) != 1 {
		t.Error("a refused caller's own token is kept")
	}
}

func TestRefusalHoldsForItsCallerOnly(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("a"), refusal())
	if _, reply := w.askFor(named("a")); !tokentest.FailedAs(reply.Err, tokentest.ErrRefused) {
		t.Errorf("the same caller: got %s, expected to be denied", reply)
	}
	w.fetchFor(t, named("b"), good("b", time.Minute))
	w.clock.Pass(2 * time.Second)
	w.fetchFor(t, named("a"), refusal())
	w.clock.Pass(2*time.Second - 1)
	if _, reply := w.askFor(named("a")); !tokentest.FailedAs(reply.Err, tokentest.ErrRefused) {
		t.Errorf("the same caller, refused twice: got %s, expected its wait to have doubled", reply)
	}
	w.clock.Pass(time.Second)
	w.fetchFor(t, named("a"), refusal())
	w.clock.Pass(MaxBackoff)
	w.tick()
	if w.entries[named("a").Key()] == nil {
		t.Error("within the longest wait: forgotten, so that the next refusal would count as the first")
	}
	w.clock.Pass(MaxBackoff)
	w.tick()
	if len(w.entries) != 0 || w.Memory.used != [segments]int{} {
		t.Errorf("after it: got %d entries and %v bytes, expected none", len(w.entries), w.Memory.used)
	}
}

func TestOutageHoldsForAllCallers(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("first"), tokentest.UnavailableFor(time.Minute))
	for i := range 100 {
		if _, reply := w.askFor(callerOf(i, 0)); !tokentest.FailedAs(reply.Err, tokentest.ErrUnavailable) {
			t.Fatalf("caller %d: got %s, expected to be denied", i, reply)
		}
	}
	if len(w.Fetches) != 1 || len(w.entries) != 0 {
		t.Errorf("got %d fetches and %d entries, expected 1 and 0", len(w.Fetches), len(w.entries))
	}
	w.clock.Pass(time.Minute + time.Second)
	w.fetchFor(t, named("first"), good("t1", time.Minute))
	w.fetchFor(t, named("second"), good("t2", time.Minute))
}

// A hundred calls that are under way when the service goes down are one failure.
func TestOutageCountsOnce(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	for i := range 100 {
		w.askFor(callerOf(i, 0))
	}
	w.run()
	for _, fetch := range w.Fetches[1:] {
		w.clock.Pass(time.Millisecond)
		fetch.Done(unavailable())
	}
	w.clock.Pass(time.Millisecond)
	w.Fetches[0].Done(good("t", time.Minute)) // sent before it, as well: the service was just about to go
	w.run()
	if w.outage.count != 1 {
		t.Errorf("failures in a row: got %d, expected 1", w.outage.count)
	}
	w.clock.Pass(1200 * time.Millisecond)
	if _, reply := w.askFor(named("next")); !reply.Waiting {
		t.Errorf("after the first backoff: got %s, expected to wait for a fetch", reply)
	}
}

// An entry that was dropped while its request was with the upstream must not come back in the
// place of the next one.
func TestRejectedAfterItWasDropped(t *testing.T) {
	p := defaults()
	p.MaxEntries = 1
	w := newPerCallerWorker(p, &Memory{})
	w.fetchFor(t, named("a"), good("a1", time.Minute))
	dropped, reply := w.Ask(named("a"), &request{})
	w.fetchFor(t, named("b"), good("b", time.Minute))
	w.fetchFor(t, named("a"), good("a2", time.Minute))
	w.Reject(dropped, reply.Token.ID)
	if _, got := w.askFor(named("a")); got.Token == nil || got.Token.Values[0] != "a2" {
		t.Errorf("got %s, expected the new token", got)
	}
}

// Each request of a gateway with tokens for its callers comes this way.
func TestFindAllocatesNothing(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("a"), good("t1", time.Minute))
	values := []byte("a")
	if n := testing.AllocsPerRun(1000, func() { w.Find(values, w.clock.Now) }); n != 0 {
		t.Errorf("got %v allocations, expected none", n)
	}
}
