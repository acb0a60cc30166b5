package share

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

func TestLeaseIsTakenOnce(t *testing.T) {
	a, b := twoWorkers(defaults())
	a.fetchOnce(t, good("t1", 100*time.Second))
	a.clock.Pass(90 * time.Second)
	a.serves(t, "t1")
	b.serves(t, "t1")
	// b renews between a's read of the record and its write.
	a.cells.onLoad = b.tick
	a.tick()
	if fetches := len(a.Fetches) - 1 + len(b.Fetches); fetches != 1 {
		t.Errorf("two workers renew at once: got %d fetches, expected 1", fetches)
	}
}

// busyCells are those to which other workers always write first.
type busyCells struct {
	*fakeCells
	tries int
}

func (s *busyCells) CompareAndSwap(string, []byte, uint32) bool { s.tries++; return false }

func TestSharedDataThatIsAlwaysBusy(t *testing.T) {
	cells := &busyCells{fakeCells: newFakeCells()}
	w := newConfigured(ownKey, defaults(), tokentest.NewClock(), cells)
	w.fetchOnce(t, good("t1", time.Minute))
	if cells.tries != maxWriteAttempts {
		t.Errorf("tries: got %d, expected %d for the lease", cells.tries, maxWriteAttempts)
	}
	w.serves(t, "t1")
}

// Configurations come and go for years, and shared data is never deleted: their records keep no later one from being shared.
func TestRecordsHaveAFixedNumberOfPlaces(t *testing.T) {
	for _, lifetime := range []time.Duration{time.Minute, 24 * time.Hour} {
		clock, cells := tokentest.NewClock(), newFakeCells()
		for i := range 3000 {
			key, text := token.Key{byte(i), byte(i >> 8), 1}, fmt.Sprint("t", i)
			newConfigured(key, defaults(), clock, cells).fetchOnce(t, good(text, lifetime))
			newConfigured(key, defaults(), clock, cells).serves(t, text)
			clock.Pass(time.Second)
		}
		if n := len(cells.data); n > commonBuckets {
			t.Errorf("keys of shared data: got %d, expected at most %d", n, commonBuckets)
		}
	}
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

// Of configurations that fall into one bucket, the latest are shared. One that has lost its place goes on with the token that
// it has, counts rejections, though the record is gone, and shares its next token.
func TestConfigurationsThatWantTheSamePlace(t *testing.T) {
	const configurations, room = 5, 3
	clock, cells := tokentest.NewClock(), newFakeCells()
	large := strings.Repeat("x", 20_350) // three fill a bucket
	var workers []*worker
	for i := range configurations {
		w := newConfigured(sameBucket(i), defaults(), clock, cells)
		w.fetchOnce(t, good(fmt.Sprint(i, large), time.Minute))
		workers = append(workers, w)
	}
	for i := range configurations {
		_, reply := newConfigured(sameBucket(i), defaults(), clock, cells).ask() // a worker that has not fetched it
		if want := i >= configurations-room; (reply.Token != nil) != want || want && reply.Token.Values[0] != fmt.Sprint(i, large) {
			t.Errorf("configuration %d: got %s, expected its own token: %v", i, told(reply), want)
		}
		reply.Ticket.Cancel()
	}
	if len(cells.data) != 1 {
		t.Errorf("got %d keys, expected the records to stand in one bucket", len(cells.data))
	}
	clock.Pass(patience) // the leases of those that looked are over
	w := workers[0]
	w.Reject(w.Common(), w.serves(t, fmt.Sprint(0, large)).ID)
	w.fetchOnce(t, good("t2", 100*time.Second))
	if w.stats.Invalidated != 1 {
		t.Errorf("invalidations: got %d, expected 1", w.stats.Invalidated)
	}
	w.Reject(w.Common(), w.serves(t, "t2").ID) // within the wait
	w.serves(t, "t2")
	newConfigured(sameBucket(0), defaults(), clock, cells).serves(t, "t2")
}

// Shared data can't be deleted: there are no more keys than maxEntries, or 2048, and none is larger than 32 KiB.
func TestSharedCallersAreBounded(t *testing.T) {
	for maxEntries, most := range map[int]int{1: 1, 3: 3, 100_000: callerBuckets} {
		for _, size := range []int{10, 16 << 10} {
			p := defaults()
			p.MaxEntries = maxEntries
			w := newSharingWorker(p, tokentest.NewClock(), newFakeCells())
			for i := range 3000 {
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

// A token that does not fit is not shared, and delays no other.
func TestTokenThatIsTooLargeToBeShared(t *testing.T) {
	_, workers := gatewayOf(defaults(), named("a"), 2)
	huge := strings.Repeat("t", 40<<10)
	workers[0].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[1].fetchFor(t, named("a"), good(huge, time.Hour))
	workers[0].servesCaller(t, named("a"), huge)
}

// A time in a record counts only within the longest lease, or the longest Retry-After, from now.
func TestRecordsBindForALimitedTime(t *testing.T) {
	for _, test := range []struct {
		until, limit time.Duration
		want         bool
	}{
		{time.Hour, time.Minute, false},
		{time.Hour + 1, time.Minute, true},
		{time.Hour + time.Minute, time.Minute, true},
		{time.Hour + time.Minute + time.Second, time.Minute, true}, // written a moment after the clock was read
		{time.Hour + time.Minute + time.Second + 1, time.Minute, false},
	} {
		if got := isActive(time.Hour, test.until, test.limit); got != test.want {
			t.Errorf("until %s: got %t, expected %t", test.until, got, test.want)
		}
	}
}
