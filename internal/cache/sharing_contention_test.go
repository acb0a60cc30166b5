package cache

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestLeaseIsTakenOnce(t *testing.T) {
	a, b := twoWorkers()
	a.fetchOnce(t, good("t1", 100*time.Second))
	a.clock.pass(90 * time.Second)
	a.serves(t, "t1")
	b.serves(t, "t1")
	// b renews between a's read of the record and its write.
	a.store.onLoad = b.tick
	a.tick()
	if fetches := len(a.fetches) - 1 + len(b.fetches); fetches != 1 {
		t.Errorf("two workers renew at once: got %d fetches, expected 1", fetches)
	}
}

// Configurations come and go for years, and shared data is never deleted.
func TestRecordsHaveAFixedNumberOfPlaces(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	for i := range 10_000 {
		w := &worker{clock: clock, store: store}
		w.Cache = New(defaults(), w, w.common(&Memory{}), store, token.Key{byte(i), byte(i >> 8), 1})
		w.fetchOnce(t, good(fmt.Sprintf("t%d", i), time.Minute))
		colleague := newColleague(defaults(), clock, store)
		colleague.Cache = New(defaults(), colleague, colleague.common(&Memory{}), store, token.Key{byte(i), byte(i >> 8), 1})
		colleague.serves(t, fmt.Sprintf("t%d", i))
		clock.pass(time.Second)
	}
	if n := len(store.data); n > commonBuckets {
		t.Errorf("keys of shared data: got %d, expected at most %d", n, commonBuckets)
	}
}

// sameBucket are keys of configurations whose records stand in the same bucket.
func sameBucket(number int) token.Key {
	s := shareCommon(nil, defaults())
	for i := uint32(0); ; i++ {
		k := token.Key{9}
		binary.LittleEndian.PutUint32(k[1:], i)
		if of := recordKeyOf(k, token.Key{}); s.bucketOf(&of) == commonPrefix+"7" {
			if number--; number < 0 {
				return k
			}
		}
	}
}

// large is so long that three of them fill a bucket.
var large = strings.Repeat("x", 20_350)

func TestConfigurationsThatWantTheSamePlace(t *testing.T) {
	const configurations, room = 5, 3
	clock, store := newFakeClock(), newFakeStore()
	token := func(i int) string { return fmt.Sprint(i, large) }
	var workers []*worker
	for i := range configurations {
		w := newConfigured(sameBucket(i), clock, store)
		w.fetchOnce(t, good(token(i), time.Minute))
		workers = append(workers, w)
	}
	for i, w := range workers {
		w.Common().token = nil // as a worker that has not fetched it
		_, reply := w.ask()
		if want := i >= configurations-room; (reply.Token != nil) != want || want && reply.Token.Values[0] != token(i) {
			t.Errorf("configuration %d: got %s, expected its own token: %v", i, reply, want)
		}
		reply.Place.Leave()
	}
	if len(store.data) != 1 {
		t.Errorf("got %d keys, expected the records to stand in one bucket", len(store.data))
	}
}

func newConfigured(key token.Key, clock *fakeClock, store Store) *worker {
	w := &worker{clock: clock}
	w.Cache = New(defaults(), w, w.common(&Memory{}), store, key)
	return w
}

// displaced is a worker whose configuration has lost its place to others, and what makes a colleague of it.
func displaced(t *testing.T) (w *worker, colleague func() *worker) {
	t.Helper()
	clock, store := newFakeClock(), newFakeStore()
	w = newConfigured(sameBucket(0), clock, store)
	w.fetchOnce(t, good("t1", 100*time.Second))
	for i := range 4 {
		newConfigured(sameBucket(i+1), clock, store).fetchOnce(t, good(large, time.Hour))
	}
	return w, func() *worker { return newConfigured(sameBucket(0), clock, store) }
}

// It goes on with the token that it has, and shares the next.
func TestConfigurationThatLostItsPlace(t *testing.T) {
	w, colleague := displaced(t)
	if _, reply := colleague().ask(); !reply.Waiting {
		t.Errorf("a colleague: got %s, expected the record to be gone", reply)
	}
	w.serves(t, "t1")
	w.clock.pass(91 * time.Second)
	w.serves(t, "t1")
	w.tick()
	if len(w.fetches) != 2 {
		t.Fatalf("renewal: got %d fetches, expected 2", len(w.fetches))
	}
	w.answer(t, good("t2", 100*time.Second))
	w.serves(t, "t2")
	colleague().serves(t, "t2")
}

// busyStore is one to which other workers always write first.
type busyStore struct {
	*fakeStore
	tries int
}

func (s *busyStore) Swap(string, []byte, uint32) bool { s.tries++; return false }

func TestStoreThatIsAlwaysBusy(t *testing.T) {
	store := &busyStore{fakeStore: newFakeStore()}
	w := &worker{clock: newFakeClock()}
	w.Cache = New(defaults(), w, w.common(&Memory{}), store, ownKey)
	w.fetchOnce(t, good("t1", time.Minute))
	if store.tries != 2*writeAttempts {
		t.Errorf("tries: got %d, expected %d for the lease and for the token", store.tries, writeAttempts)
	}
	w.serves(t, "t1")
}

// Two workers withdraw a token at once: the one that comes first counts it.
func TestTokenThatIsWithdrawnByTwo(t *testing.T) {
	a, b := twoWorkers()
	a.fetchOnce(t, good("t1", 100*time.Second))
	b.serves(t, "t1")
	// b comes between a's last look at the record and its write.
	a.store.onLoad = func() {
		a.store.onLoad = func() { b.Reject(b.Common(), b.Common().token.ID) }
	}
	a.Reject(a.Common(), a.Common().token.ID)
	if a.stats.Invalidated != 0 || b.stats.Invalidated != 1 {
		t.Errorf("invalidations: got %d and %d, expected 0 and 1", a.stats.Invalidated, b.stats.Invalidated)
	}
}

// That the record is gone does not mean that another worker has withdrawn the token: the rejection counts, and
// an upstream that rejects every token is kept away from the token service.
func TestRejectionByAConfigurationThatLostItsPlace(t *testing.T) {
	w, _ := displaced(t)
	w.Reject(w.Common(), w.serves(t, "t1").ID)
	if w.stats.Invalidated != 1 {
		t.Errorf("invalidations: got %d, expected 1", w.stats.Invalidated)
	}
	w.fetchOnce(t, good("t2", 100*time.Second))
	w.Reject(w.Common(), w.serves(t, "t2").ID) // within the wait
	w.serves(t, "t2")
}
