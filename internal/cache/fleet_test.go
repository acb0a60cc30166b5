package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

// fleetWorker is a worker whose Fetcher shares tokens with other gateways: it keeps what it is told of rejections.
type fleetWorker struct {
	*worker
	rejected []token.ID
}

func (w *fleetWorker) Rejected(_ token.Caller, id token.ID) { w.rejected = append(w.rejected, id) }

func fleetWorkers(count int) (workers []*fleetWorker) {
	clock, store := newFakeClock(), newFakeStore()
	for range count {
		w := &fleetWorker{worker: &worker{clock: clock, store: store}}
		w.Cache = New(defaults(), w, w.common(&Memory{}), store, ownKey)
		workers = append(workers, w)
	}
	return workers
}

// Each worker that knows of a rejection must tell its Fetcher: the one that withdrew the token may not have told Redis
// when the other fetches, and would get it back.
func TestEveryWorkerTellsOfRejection(t *testing.T) {
	workers := fleetWorkers(2)
	a, b := workers[0], workers[1]
	a.fetchOnce(t, good("t1", time.Minute))
	used := []*token.Token{a.serves(t, "t1"), b.serves(t, "t1")}
	for i, w := range workers {
		w.Reject(w.Common(), used[i].ID)
		if len(w.rejected) != 1 || w.rejected[0] != used[i].ID {
			t.Errorf("worker %d: its Fetcher was told of the rejections %x, expected %x", i, w.rejected, used[i].ID)
		}
	}
	if a.stats.Invalidated+b.stats.Invalidated != 1 {
		t.Errorf("got %d and %d tokens invalidated, expected one in all", a.stats.Invalidated, b.stats.Invalidated)
	}
}

// A fetch through a fleet takes up to two timeouts of a minute, and a second: its lease is one for the other workers.
func TestLongestFetchKeepsItsLease(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	policy := defaults()
	policy.Timeout, policy.Patience = 121*time.Second, 121*time.Second
	a, b := newColleague(policy, clock, store), newColleague(policy, clock, store)
	a.ask()
	a.run()
	clock.now -= 3 * time.Millisecond // the other's callback began a little before
	b.ask()
	b.run()
	if len(a.fetches) != 1 || len(b.fetches) != 0 {
		t.Errorf("got %d and %d fetches, expected the first worker's only", len(a.fetches), len(b.fetches))
	}
	clock.now += 3 * time.Millisecond
	clock.pass(time.Second)
	b.tick()
	if len(b.fetches) != 0 {
		t.Errorf("got %d fetches of the second worker, expected it to wait", len(b.fetches))
	}
}

// A replaced configuration gives back the leases also of the fetches that it has not begun yet.
func TestCloseGivesBackLeaseOfWantedFetch(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	policy := defaults()
	policy.WarmUp = true
	a, b := newColleague(policy, clock, store), newColleague(policy, clock, store)
	a.Tick(clock.now, clock.wall) // claims the first token, and is closed before the turn
	a.Close()
	b.Tick(clock.now, clock.wall)
	b.run()
	if len(b.fetches) != 1 {
		t.Errorf("got %d fetches of the other worker, expected 1", len(b.fetches))
	}
}
