package cache

import (
	"testing"
	"time"
)

// fleetWorker is a worker whose Fetcher shares tokens with other gateways: it keeps what it is told of rejections.
type fleetWorker struct {
	*worker
	rejected []uint64
}

func (w *fleetWorker) Rejected(_ Caller, id uint64) { w.rejected = append(w.rejected, id) }

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
	used := []*Token{a.serves(t, "t1"), b.serves(t, "t1")}
	for i, w := range workers {
		w.Reject(w.Common(), used[i])
		if len(w.rejected) != 1 || w.rejected[0] != used[i].id {
			t.Errorf("worker %d: its Fetcher was told of the rejections %x, expected %x", i, w.rejected, used[i].id)
		}
	}
	if a.stats.Invalidated+b.stats.Invalidated != 1 {
		t.Errorf("got %d and %d tokens invalidated, expected one in all", a.stats.Invalidated, b.stats.Invalidated)
	}
}

// A token that other gateways have serves to its end when the fetch of a new one fails, and the failure counts.
func TestFailureWithTokenOfOthers(t *testing.T) {
	tests := map[string]struct {
		failure Result
		want    string // at the token's end
	}{
		"unavailable": {unavailable(), "token \"old\""},
		"refused":     {refusal(), "error answered 400"},
	}
	for name, tt := range tests {
		policy := defaults()
		policy.StaleIfError = time.Minute
		w := newWorker(policy)
		failed := tt.failure
		failed.Grant = Grant{Values: []string{"old"}, ID: 7, Lifetime: 20 * time.Second}
		if r := w.fetchOnce(t, failed); r.token == nil || r.token.Values[0] != "old" {
			t.Errorf("%s: got %+v and the error %v, expected the old token", name, r.token, r.err)
			continue
		}
		w.serves(t, "old")
		if holdsBack := !w.outage.open(w.clock.now) || !w.Common().retry.open(w.clock.now); !holdsBack {
			t.Errorf("%s: the next fetch may be made at once, expected it to be held back", name)
		}
		w.clock.pass(20 * time.Second)
		w.Common().retry.until = w.clock.now + time.Second
		w.outage.until = w.clock.now + time.Second
		if _, reply := w.ask(); reply.String() != tt.want {
			t.Errorf("%s, after its end: got %s, expected %s", name, reply, tt.want)
		}
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
