package share

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
	a.cells.onLoad = b.tick
	a.tick()
	if fetches := len(a.fetches) - 1 + len(b.fetches); fetches != 1 {
		t.Errorf("two workers renew at once: got %d fetches, expected 1", fetches)
	}
}

// Configurations come and go for years, and shared data is never deleted.
func TestRecordsHaveAFixedNumberOfPlaces(t *testing.T) {
	clock, cells := newFakeClock(), newFakeCells()
	for i := range 10_000 {
		key := token.Key{byte(i), byte(i >> 8), 1}
		newConfigured(key, defaults(), clock, cells).fetchOnce(t, good(fmt.Sprintf("t%d", i), time.Minute))
		newConfigured(key, defaults(), clock, cells).serves(t, fmt.Sprintf("t%d", i))
		clock.pass(time.Second)
	}
	if n := len(cells.data); n > commonBuckets {
		t.Errorf("keys of shared data: got %d, expected at most %d", n, commonBuckets)
	}
}

// Records of replaced configurations with long-lived tokens don't keep later ones from being shared.
func TestReplacedConfigurationsFillThePlaces(t *testing.T) {
	clock, cells := newFakeClock(), newFakeCells()
	for i := range 1200 {
		w := newConfigured(token.Key{byte(i), byte(i >> 8), 9}, defaults(), clock, cells)
		w.fetchOnce(t, good("t", 24*time.Hour))
		w.Close()
		clock.pass(time.Second)
	}
	a, b := newPeer(defaults(), clock, cells), newPeer(defaults(), clock, cells)
	a.fetchOnce(t, good("new", time.Hour))
	b.serves(t, "new")
}

// sameBucket are keys of configurations whose records stand in the same bucket.
func sameBucket(number int) token.Key {
	s := NewSharedData(nil, nil, 1)
	for i := uint32(0); ; i++ {
		k := token.Key{9}
		binary.LittleEndian.PutUint32(k[1:], i)
		if of := recordKeyOf(keyOf(k, nil)); s.bucketOf(&of) == commonPrefix+"7" {
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
	clock, cells := newFakeClock(), newFakeCells()
	token := func(i int) string { return fmt.Sprint(i, large) }
	for i := range configurations {
		newConfigured(sameBucket(i), defaults(), clock, cells).fetchOnce(t, good(token(i), time.Minute))
	}
	for i := range configurations {
		_, reply := newConfigured(sameBucket(i), defaults(), clock, cells).ask() // a worker that has not fetched it
		if want := i >= configurations-room; (reply.Token != nil) != want || want && reply.Token.Values[0] != token(i) {
			t.Errorf("configuration %d: got %s, expected its own token: %v", i, told(reply), want)
		}
		reply.Ticket.Cancel()
	}
	if len(cells.data) != 1 {
		t.Errorf("got %d keys, expected the records to stand in one bucket", len(cells.data))
	}
}

// displaced is a worker whose configuration has lost its place to others, and what makes a colleague of it.
func displaced(t *testing.T) (w *worker, colleague func() *worker) {
	t.Helper()
	clock, cells := newFakeClock(), newFakeCells()
	w = newConfigured(sameBucket(0), defaults(), clock, cells)
	w.fetchOnce(t, good("t1", 100*time.Second))
	for i := range 4 {
		newConfigured(sameBucket(i+1), defaults(), clock, cells).fetchOnce(t, good(large, time.Hour))
	}
	return w, func() *worker { return newConfigured(sameBucket(0), defaults(), clock, cells) }
}

// It goes on with the token that it has, and shares the next.
func TestConfigurationThatLostItsPlace(t *testing.T) {
	w, colleague := displaced(t)
	if _, reply := colleague().ask(); !reply.Waiting {
		t.Errorf("a colleague: got %s, expected the record to be gone", told(reply))
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

// busyCells are those to which other workers always write first.
type busyCells struct {
	*fakeCells
	tries int
}

func (s *busyCells) CompareAndSwap(string, []byte, uint32) bool { s.tries++; return false }

func TestSharedDataThatIsAlwaysBusy(t *testing.T) {
	cells := &busyCells{fakeCells: newFakeCells()}
	w := newConfigured(ownKey, defaults(), newFakeClock(), cells)
	w.fetchOnce(t, good("t1", time.Minute))
	if cells.tries != maxWriteAttempts {
		t.Errorf("tries: got %d, expected %d for the lease", cells.tries, maxWriteAttempts)
	}
	w.serves(t, "t1")
}

// That the record is gone does not mean that another worker has withdrawn the token: the rejection counts, and
// an upstream that rejects every token is kept away from the token service.
func TestRejectionByAConfigurationThatLostItsPlace(t *testing.T) {
	w, _ := displaced(t)
	w.Reject(w.Common(), w.serves(t, "t1").ID)
	w.fetchOnce(t, good("t2", 100*time.Second))
	if w.stats.Invalidated != 1 {
		t.Errorf("invalidations: got %d, expected 1", w.stats.Invalidated)
	}
	w.Reject(w.Common(), w.serves(t, "t2").ID) // within the wait
	w.serves(t, "t2")
}
