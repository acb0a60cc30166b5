package share

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"token-fetch/internal/token"
)

// Cells are the host's shared data, which the workers of one gateway process have in common.
type Cells interface {
	// Load returns nil when there is no such key. version is for the next Swap.
	Load(key string) (data []byte, version uint32)
	// Swap writes if nobody has since version was read, and reports whether it did. A key
	// that was missing is written if it still is.
	Swap(key string, data []byte, version uint32) bool
}

// SharedData is the Store of the workers of a gateway. It answers at once.
//
// Shared data of a host can't be deleted, so that records have a fixed number of buckets for all
// configurations that there ever are. In a bucket they make room for each other: what is in use
// is written again and again, what belongs to a configuration that was replaced is not.
//
// The version is part of the keys, so that a plugin of another version in the same
// process, during an upgrade, neither reads nor spoils the records.
type SharedData struct {
	cells   Cells
	clock   token.Clock
	values  int // of each token of this configuration
	prefix  string
	buckets int
	quota   quota
}

var _ Store = (*SharedData)(nil)

const (
	commonPrefix = "token-fetch/5/common/"
	callerPrefix = "token-fetch/5/callers/"

	commonBuckets = 256
	// callerBuckets is how many there are for callers at most, whatever maxEntries says: 64 MiB together.
	callerBuckets = 2048
)

var (
	commonQuota = quota{tokens: 60 << 10, others: 4 << 10}
	callerQuota = quota{tokens: 28 << 10, others: 4 << 10}
)

// NewSharedData is for a token that is the same for all. Tokens have so many values.
func NewSharedData(cells Cells, clock token.Clock, values int) *SharedData {
	return &SharedData{cells, clock, values, commonPrefix, commonBuckets, commonQuota}
}

// NewSharedDataOfCallers is for a token for each of so many callers at most: it has no more buckets.
func NewSharedDataOfCallers(cells Cells, clock token.Clock, values, callers int) *SharedData {
	return &SharedData{cells, clock, values, callerPrefix, min(callers, callerBuckets), callerQuota}
}

// errNotWritten has the asker call for itself.
var errNotWritten = errors.New("shared data has no room, or others write all the time")

// Look is part of Store, like the others below.
func (s *SharedData) Look(k Key, q Question, done func(Found, error)) {
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	var f Found
	isWritten := s.update(k, now, func(r *record) (hasChanged bool) {
		f, hasChanged = r.look(q, now, wall)
		return hasChanged
	})
	if f.Is == IsLeased && !isWritten {
		done(Found{}, errNotWritten)
		return
	}
	f.Lease.TakenAt, f.Lease.SeenAt = now, now
	done(f, nil)
}

// Save keeps a token.
func (s *SharedData) Save(k Key, l Lease, t token.Token, dueAfter time.Duration, done func(error)) {
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	s.update(k, now, func(r *record) bool { return r.save(l, t, dueAfter, now, wall) })
	done(nil)
}

// Fail keeps others from calling.
func (s *SharedData) Fail(k Key, l Lease, f Failure, done func(time.Duration, error)) {
	now := s.clock.Monotonic()
	var wait time.Duration
	isWritten := s.update(k, now, func(r *record) (hasChanged bool) {
		wait, hasChanged = r.fail(l, f, now)
		return hasChanged
	})
	if !isWritten {
		done(0, errNotWritten)
		return
	}
	done(wait, nil)
}

// Extend keeps the lease, or gives it back.
func (s *SharedData) Extend(k Key, l Lease, until time.Duration, done func(error)) {
	now := s.clock.Monotonic()
	s.update(k, now, func(r *record) bool {
		isOurs := r.isLeasedTo(l, now)
		if r.leaseEnds = now + until; until == 0 {
			r.endLease()
		}
		return isOurs
	})
	done(nil)
}

// bucketOf is the key of shared data where a record stands. Nobody who does not know the configuration can find callers
// that share a bucket.
func (s *SharedData) bucketOf(key *recordKey) string {
	number := int(binary.LittleEndian.Uint32(key.owner[:])) % s.buckets
	return s.prefix + strconv.Itoa(number)
}

// writeAttempts are against other workers, each of which may write any number of records in between.
const writeAttempts = 16

// update writes what change makes of the record, again when another worker was faster. It returns
// false when that was not possible, or change returned false as there is nothing to write.
func (s *SharedData) update(k Key, now time.Duration, change func(*record) bool) bool {
	key := recordKeyOf(k)
	at := s.bucketOf(&key)
	for range writeAttempts {
		data, version := s.cells.Load(at)
		r := bucket(data).find(&key)
		if r.hasToken() && len(r.token.Values) != s.values {
			r.token = token.Token{} // of another configuration, by whatever accident
		}
		if !change(&r) {
			return false
		}
		next, ok := bucket(data).with(&key, &r, now, s.quota)
		if !ok {
			return false
		}
		if s.cells.Swap(at, next, version) {
			return true
		}
	}
	return false
}
