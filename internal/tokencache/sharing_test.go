package tokencache

import (
	"fmt"
	"testing"
	"time"
)

func twoWorkers() (a, b *worker) {
	a = newWorker(defaults())
	return a, newColleague(defaults(), a.clock, a.store)
}

func TestWorkersShare(t *testing.T) {
	a, b := twoWorkers()
	a.fetchOnce(t, good("t1", 100*time.Second))
	b.serves(t, "t1")
	if len(b.fetches) != 0 {
		t.Errorf("the colleague made %d fetches, expected none", len(b.fetches))
	}
	a.clock.pass(90 * time.Second)
	a.serves(t, "t1")
	b.serves(t, "t1")
	b.tick()
	a.tick()
	if len(a.fetches)+len(b.fetches) != 2 {
		t.Fatalf("renewal: got %d and %d fetches, expected one more of one of them", len(a.fetches), len(b.fetches))
	}
	b.answer(t, good("t2", 100*time.Second))
	a.tick()
	a.clock.pass(10 * time.Second)
	a.serves(t, "t2")

	a.Reject(a.Common(), a.Common().token)
	b.Reject(b.Common(), b.Common().token)
	if n := a.stats.Invalidated + b.stats.Invalidated; n != 1 {
		t.Errorf("one token rejected in two workers: got %d invalidations, expected 1", n)
	}
	a.fetchOnce(t, good("t3", 100*time.Second))
	b.serves(t, "t3")
}

func TestFailedRenewalHoldsColleaguesBack(t *testing.T) {
	a, b := twoWorkers()
	a.fetchOnce(t, good("t1", 100*time.Second))
	a.clock.pass(90 * time.Second)
	a.serves(t, "t1")
	b.serves(t, "t1")
	a.tick()
	a.answer(t, unavailable())
	b.tick()
	if len(b.fetches) != 0 {
		t.Errorf("right after a failed renewal the colleague made %d fetches, expected none", len(b.fetches))
	}
	a.clock.pass(2 * time.Second)
	b.tick()
	if len(b.fetches) != 1 {
		t.Errorf("after the backoff the colleague made %d fetches, expected 1", len(b.fetches))
	}
}

func TestLeaseIsTakenOnce(t *testing.T) {
	a, b := twoWorkers()
	a.fetchOnce(t, good("t1", 100*time.Second))
	a.clock.pass(90 * time.Second)
	a.serves(t, "t1")
	b.serves(t, "t1")
	// b renews between a's read of the record and its write.
	a.store.onLoad = func() { a.store.onLoad = b.tick }
	a.tick()
	if fetches := len(a.fetches) - 1 + len(b.fetches); fetches != 1 {
		t.Errorf("two workers renew at once: got %d fetches, expected 1", fetches)
	}
}

func TestOutageEndsForAllWorkers(t *testing.T) {
	a, b := twoWorkers()
	b.fetchOnce(t, unavailable())
	a.fetchOnce(t, good("t1", 100*time.Second))
	b.tick()
	b.serves(t, "t1")
}

func TestNotShared(t *testing.T) {
	a := newWorker(defaults())
	b := newColleague(defaults(), a.clock, nil)
	b.Cache = New(defaults(), b, b.common(&Memory{}), nil, ownKey)
	a.fetchOnce(t, good("t1", 100*time.Second))
	if _, reply := b.ask(); !reply.Waiting {
		t.Errorf("got %s, expected a fetch of its own", reply)
	}
}

// The wall clock of the machine is set back before the colleague looks at the record.
func TestSharedTokenAfterTheClockWasSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -time.Hour, "ahead": time.Hour} {
		a, b := twoWorkers()
		a.fetchOnce(t, good("t1", time.Minute))
		a.clock.wall = a.clock.wall.Add(jump)
		_, reply := b.ask()
		if want := jump < 0; (reply.Token != nil) != want {
			t.Errorf("%s: got %s, expected to be served: %v", name, reply, want)
		}
		reply.Place.Leave()
		a.clock.pass(time.Minute)
		if _, reply := b.ask(); reply.Token != nil {
			t.Errorf("%s, after its end: got %s, expected no token", name, reply)
		}
	}
}

// Configurations come and go for years, and shared data is never deleted.
func TestRecordsHaveAFixedNumberOfPlaces(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	for i := range 10_000 {
		w := &worker{clock: clock, store: store}
		w.Cache = New(defaults(), w, w.common(&Memory{}), store, Key{byte(i), byte(i >> 8), 1})
		w.fetchOnce(t, good(fmt.Sprintf("t%d", i), time.Minute))
		colleague := newColleague(defaults(), clock, store)
		colleague.Cache = New(defaults(), colleague, colleague.common(&Memory{}), store, Key{byte(i), byte(i >> 8), 1})
		colleague.serves(t, fmt.Sprintf("t%d", i))
		clock.pass(time.Second)
	}
	if n := len(store.data); n > places {
		t.Errorf("keys of shared data: got %d, expected at most %d", n, places)
	}
}

func TestConfigurationsThatWantTheSamePlace(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	var workers []*worker
	for i := range placesEach + 2 {
		clock.pass(time.Second)
		w := &worker{clock: clock, store: store}
		w.Cache = New(defaults(), w, w.common(&Memory{}), store, Key{7, byte(i)})
		w.fetchOnce(t, good(fmt.Sprintf("t%d", i), time.Minute))
		workers = append(workers, w)
	}
	for i, w := range workers {
		w.Common().token = nil // as a worker that has not fetched it
		_, reply := w.ask()
		if want := i >= 2; (reply.Token != nil) != want || want && reply.Token.Values[0] != fmt.Sprintf("t%d", i) {
			t.Errorf("configuration %d: got %s, expected its own token: %v", i, reply, want)
		}
		reply.Place.Leave()
	}
}

func TestRecordThatIsMalformed(t *testing.T) {
	a := newWorker(defaults())
	a.fetchOnce(t, good("t1", time.Minute))
	two := defaults()
	two.Values = 2
	foreign := newWorker(two)
	foreign.fetchOnce(t, Result{Grant: Grant{Values: []string{"t1", "more"}, Lifetime: time.Minute}})
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":  func([]byte) []byte { return nil },
		"cut":    func(data []byte) []byte { return data[:len(data)-1] },
		"longer": func(data []byte) []byte { return append(data, 0) },
		"the number of values": func([]byte) []byte {
			for _, data := range foreign.store.data {
				return data
			}
			return nil
		},
	} {
		b := newColleague(defaults(), a.clock, newFakeStore())
		for key, data := range a.store.data {
			b.store.Swap(key, spoil(append([]byte(nil), data...)), 0)
		}
		_, reply := b.ask()
		if !reply.Waiting {
			t.Errorf("%s: got %s, expected a fetch", name, reply)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	records := map[string]record{
		"a token": {owner: ownKey, endsAt: time.Unix(1, 2), renewedUntil: 5, token: &Token{
			Values: []string{"Bearer a", "", "c"}, id: 9, issuedAt: 1, refreshAt: 2, expiresAt: 3, staleUntil: 4}},
		"no token": {owner: ownKey, rejections: backoff{count: 3, until: time.Hour}},
	}
	for name, want := range records {
		got, ok := decodeRecord(want.encode())
		if !ok || fmt.Sprintf("%+v", got.token) != fmt.Sprintf("%+v", want.token) || got.owner != want.owner ||
			got.renewedUntil != want.renewedUntil || got.rejections != want.rejections || !got.endsAt.Equal(want.endsAt) {
			t.Errorf("%s: got %+v (%v), expected %+v", name, got, ok, want)
		}
	}
}
