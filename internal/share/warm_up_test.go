package share

import (
	"testing"
	"time"

	"token-fetch/internal/cache"
)

func warming() *cache.Policy {
	p := defaults()
	p.WarmUp = true
	return p
}

// tickAll lets workers of one gateway tick in turns, for a time.
func tickAll(lasting time.Duration, workers ...*worker) {
	const period = 100 * time.Millisecond
	for passed := time.Duration(0); passed < lasting; passed += period {
		workers[0].clock.pass(period)
		for _, w := range workers {
			w.tick()
		}
	}
}

// answers ends every fetch of the workers at once, and returns when they were begun.
func answers(r result, workers ...*worker) (begun *[]time.Duration) {
	begun = &[]time.Duration{}
	for _, w := range workers {
		w.onFetch = func(done func(result)) {
			*begun = append(*begun, w.clock.now)
			done(r)
		}
	}
	return begun
}

// checkBackoff checks that there were as many fetches, with waits that double and are up to a fifth longer.
func checkBackoff(t *testing.T, begun []time.Duration, want int) {
	t.Helper()
	if len(begun) != want {
		t.Fatalf("got %d fetches, expected %d", len(begun), want)
	}
	const ticks = 300 * time.Millisecond
	for i := 1; i < len(begun); i++ {
		least := min(time.Second<<(i-1), cache.MaxBackoff)
		if wait := begun[i] - begun[i-1]; wait < least || wait > least+least/5+ticks {
			t.Errorf("wait %d: got %s, expected %s or up to a fifth more", i, wait, least)
		}
	}
}

func warmingWorkers(count int) (workers []*worker) {
	clock, cells := newFakeClock(), newFakeCells()
	for range count {
		workers = append(workers, newPeer(warming(), clock, cells))
	}
	return workers
}

// One fetch warms up all workers, whose requests find its token.
func TestOneWorkerWarmsUpAll(t *testing.T) {
	workers := warmingWorkers(4)
	begun := answers(good("t1", time.Hour), workers...)
	tickAll(10*time.Second, workers...)
	checkBackoff(t, *begun, 1)
	for _, w := range workers {
		w.serves(t, "t1")
	}
}

// While it fails, all workers together try as often as one, also when each time another one of them is the first to look.
func TestWorkersInTurnTryForAll(t *testing.T) {
	workers := warmingWorkers(4)
	begun := answers(unavailable(), workers...)
	for i := range 500 {
		workers[0].clock.pass(100 * time.Millisecond)
		for j := range workers {
			workers[(i+j)%len(workers)].tick()
		}
	}
	checkBackoff(t, *begun, 6)
}

// Another worker goes on where the leader does not, for example because its VM is gone.
func TestWarmUpIsTakenOver(t *testing.T) {
	for name, lastOfLeader := range map[string]func(done func(result)){
		"during its fetch": nil,
		"during its wait":  func(done func(result)) { done(unavailable()) },
	} {
		workers := warmingWorkers(2)
		leader, other := workers[0], workers[1]
		leader.onFetch = lastOfLeader
		tickAll(200*time.Millisecond, leader)
		begun := answers(good("t1", time.Hour), other)
		tickAll(patience+4*time.Second, other)
		if len(leader.fetches) != 1 || len(*begun) != 1 {
			t.Errorf("%s: got %d fetches of the leader and then %d of the other worker, expected 1 and 1", name, len(leader.fetches), len(*begun))
		}
	}
}

func TestWarmUpThatCanNotWrite(t *testing.T) {
	w := newConfigured(ownKey, warming(), newFakeClock(), readOnly{newFakeCells()})
	tickAll(time.Second, w)
	if len(w.fetches) != 1 {
		t.Errorf("got %d fetches, expected that the worker fetches for itself", len(w.fetches))
	}
}

func (readOnly) CompareAndSwap(string, []byte, uint32) bool { return false }

type readOnly struct{ *fakeCells }
