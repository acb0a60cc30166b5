package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestRenewal(t *testing.T) {
	p := defaults()
	p.RefreshBefore = 10 * time.Second
	w := newWorker(p)
	w.fetchOnce(t, good("t1", 100*time.Second))
	w.clock.Pass(w.Common().token.dueAt - w.clock.Now - 1)
	w.serves(t, "t1")
	w.tick()
	if len(w.Fetches) != 1 {
		t.Fatalf("before its time: got %d fetches, expected 1", len(w.Fetches))
	}
	w.clock.Pass(1)
	w.tick()
	w.tick()
	if len(w.Fetches) != 2 {
		t.Fatalf("at its time: got %d fetches, expected 2", len(w.Fetches))
	}
	used := w.serves(t, "t1")
	if asked := w.Fetches[1].Query; asked.Have != used.ID || asked.IsRejected {
		t.Errorf("the source was asked for %+v, expected another token than %d, which is not rejected", asked, used.ID)
	}
	w.answer(t, good("t2", 100*time.Second))
	w.serves(t, "t2")
	if w.stats.Refreshes != 1 {
		t.Errorf("got %d refreshes, expected 1", w.stats.Refreshes)
	}
}

// A source may have no new token yet because another worker is fetching it. It is asked again a little later, and the other
// worker's fetch does not count as a refresh of this one.
func TestRenewalElsewhere(t *testing.T) {
	w := newWorker(defaults())
	same := good("t1", 100*time.Second)
	same.Token.ID = 7
	w.fetchOnce(t, same)
	w.clock.Pass(90 * time.Second)
	w.serves(t, "t1")
	same.Token.IsShared, same.Token.Age = true, 90*time.Second
	w.OnFetch = func(_ func(result)) { w.Fetches[len(w.Fetches)-1].End(same) }
	for range 100 {
		w.tick()
		w.serves(t, "t1")
		w.clock.Pass(10 * time.Millisecond)
	}
	if got, want := len(w.Fetches)-1, int(time.Second/renewRetryInterval); got < want-1 || got > want+1 {
		t.Errorf("in a second: got %d fetches, expected %d", got, want)
	}
	other := good("t2", 100*time.Second)
	other.Token.IsShared = true
	w.OnFetch = func(end func(result)) { end(other) }
	w.clock.Pass(renewRetryInterval)
	w.tick()
	w.serves(t, "t2")
	if w.stats.Refreshes != 0 {
		t.Errorf("got %d refreshes, expected none", w.stats.Refreshes)
	}
}

func TestOnlyTokensInUseAreRenewed(t *testing.T) {
	tests := map[string]struct {
		usedAt time.Duration // after the call; 0: by the request that waited only
		want   bool
	}{
		"never again":               {0, false},
		"in the first half":         {40 * time.Second, false},
		"in the second half":        {46 * time.Second, true},
		"after its time of renewal": {92 * time.Second, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := defaults()
			p.RefreshBefore = 10 * time.Second
			w := newWorker(p)
			w.fetchOnce(t, good("t1", 100*time.Second))
			for passed := time.Duration(0); passed < 95*time.Second; passed += 100 * time.Millisecond {
				w.clock.Pass(100 * time.Millisecond)
				if passed == test.usedAt && passed > 0 {
					w.serves(t, "t1")
				}
				w.tick()
			}
			if got := len(w.Fetches) > 1; got != test.want {
				t.Errorf("renewed: got %v, expected %v", got, test.want)
			}
		})
	}
}

func TestRenewalThatFails(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 100*time.Second))
	w.clock.Pass(90 * time.Second)
	w.serves(t, "t1")
	w.tick()
	w.answer(t, unavailable())
	w.serves(t, "t1")
	w.clock.Pass(time.Second - 1)
	w.tick()
	if len(w.Fetches) != 2 {
		t.Errorf("within the backoff: got %d fetches, expected 2", len(w.Fetches))
	}
	w.clock.Pass(time.Second)
	w.tick()
	if len(w.Fetches) != 3 {
		t.Errorf("after the backoff: got %d fetches, expected 3", len(w.Fetches))
	}
	w.answer(t, unavailable())
	w.clock.Pass(8*time.Second + 1)
	if _, reply := w.ask(); reply.Token != nil {
		t.Errorf("after its end: got %s, expected no token", reply)
	}
}

func TestDueAfter(t *testing.T) {
	tests := []struct {
		before, lifetime time.Duration
		least, most      time.Duration
	}{
		{-1, 100 * time.Second, 88 * time.Second, 90 * time.Second},
		{-1, 2 * time.Second, 800 * time.Millisecond, time.Second},
		{-1, time.Hour, time.Hour - 72*time.Second, time.Hour - time.Minute},
		{-1, time.Second, time.Second, time.Second},
		{0, 10 * time.Second, 10 * time.Second, 10 * time.Second},
		{30 * time.Second, 20 * time.Second, 20 * time.Second, 20 * time.Second},
		{30 * time.Second, 31 * time.Second, 500 * time.Millisecond, time.Second}, // not at once, again and again,
	}
	for _, test := range tests {
		p := &Policy{RefreshBefore: test.before}
		var least, most time.Duration = 1 << 60, 0
		for range 1000 {
			after := p.dueAfter(test.lifetime)
			least, most = min(least, after), max(most, after)
		}
		if least < test.least || most > test.most {
			t.Errorf("%s before the end of %s: got %s to %s, expected %s to %s", test.before, test.lifetime, least, most, test.least, test.most)
		}
		if width := test.most - test.least; width > 10*time.Millisecond && most-least < width/2 {
			t.Errorf("%s before the end of %s: got %s to %s, expected them spread over %s", test.before, test.lifetime, least, most, width)
		}
	}
}

func TestEarliestRenewal(t *testing.T) {
	for lifetime, want := range map[time.Duration]time.Duration{
		time.Hour: 72 * time.Second, 100 * time.Second: 12 * time.Second, time.Second: 0, 0: 0,
	} {
		if got := defaults().EarliestRenewal(lifetime); got != want {
			t.Errorf("lifetime %v: got %v before its end, expected %v", lifetime, got, want)
		}
	}
}

// With very many callers, a tick looks at some of them only; one that is used meanwhile is renewed at once.
func TestManyTokensAreRenewedInTurns(t *testing.T) {
	const callers = 10 * maxSweep
	p := defaults()
	p.MaxEntries, p.RefreshBefore = callers, 10*time.Second
	w := newPerCallerWorker(p, &Memory{})
	w.OnFetch = func(done func(result)) { done(good("t", 100*time.Second)) }
	everyone := func(use func(token.Caller)) {
		for i := range callers {
			use(named(fmt.Sprint(i)))
		}
	}
	everyone(func(c token.Caller) { w.askFor(c) })
	w.run()
	w.clock.Pass(80 * time.Second)
	everyone(func(c token.Caller) { w.Fresh(w.find(c), w.clock.Now) })
	w.clock.Pass(10 * time.Second)
	w.tick()
	if n := len(w.Fetches) - callers; n == 0 || n > maxSweep {
		t.Errorf("first tick: got %d renewals, expected up to %d", n, maxSweep)
	}
	last := named(fmt.Sprint(callers - 1))
	before := len(w.Fetches)
	w.find(last)
	w.run()
	if len(w.Fetches) != before+1 {
		t.Errorf("one that is used: got %d fetches more, expected 1", len(w.Fetches)-before)
	}
	for range 11 {
		w.tick()
	}
	if n := len(w.Fetches); n != 2*callers {
		t.Errorf("after some ticks: got %d fetches, expected %d", n, 2*callers)
	}
}
