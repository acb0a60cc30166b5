package share

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"token-fetch/internal/token"
)

// KV is the host's shared data, common to all workers of a gateway process.
type KV interface {
	// Load returns nil if the key does not exist. version is what CompareAndSwap takes.
	Load(key string) (data []byte, version uint32)
	// CompareAndSwap writes unless someone else has written since version was read, and reports whether it did. A key
	// that did not exist is written if it still does not.
	CompareAndSwap(key string, data []byte, version uint32) bool
}

// SharedData is the Store that the workers of a gateway share. It is synchronous.
//
// Shared data can't be deleted, so records live in a fixed number of buckets for all configurations there will ever be.
// Within a bucket, old records make room for new ones: those in use are written again and again, those of a replaced
// configuration are not.
//
// Keys contain the version, so that plugins of different versions in one process, during an upgrade, use separate
// records.
type SharedData struct {
	kv      KV
	clock   token.Clock
	values  int // per token of this configuration
	prefix  string
	buckets int
	quota   quota
}

var _ Store = (*SharedData)(nil)

const (
	commonPrefix = "token-fetch/5/common/"
	callerPrefix = "token-fetch/5/callers/"

	commonBuckets = 256
	// callerBuckets is the maximum, whatever maxEntries says: 64 MiB in total.
	callerBuckets = 2048
)

var (
	commonQuota = quota{tokens: 60 << 10, others: 4 << 10}
	callerQuota = quota{tokens: 28 << 10, others: 4 << 10}
)

// NewSharedData is for a token that all callers share. values is the number of values it has.
func NewSharedData(kv KV, clock token.Clock, values int) *SharedData {
	return &SharedData{kv, clock, values, commonPrefix, commonBuckets, commonQuota}
}

// NewPerCallerSharedData is for tokens per caller. maxCallers limits the number of buckets.
func NewPerCallerSharedData(kv KV, clock token.Clock, values, maxCallers int) *SharedData {
	return &SharedData{kv, clock, values, callerPrefix, min(maxCallers, callerBuckets), callerQuota}
}

// errNotWritten makes the caller fetch without a lease.
var errNotWritten = errors.New("the bucket is full, or other workers keep writing to it")

// Look implements Store, like the methods below.
func (s *SharedData) Look(k Key, q LookRequest, done func(LookResult, error)) {
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	var found LookResult
	isWritten := s.update(k, now, func(r *record) (hasChanged bool) {
		found, hasChanged = r.look(q, now, wall)
		return hasChanged
	})
	if found.Status == LeaseGranted && !isWritten {
		done(LookResult{}, errNotWritten)
		return
	}
	found.Claim.MadeAt, found.Claim.SeenAt = now, now
	done(found, nil)
}

// Save stores a token.
func (s *SharedData) Save(k Key, claim Claim, t token.Token, dueAfter time.Duration, done func(error)) {
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	s.update(k, now, func(r *record) bool { return r.save(claim, t, dueAfter, now, wall) })
	done(nil)
}

// Fail starts a backoff for all workers.
func (s *SharedData) Fail(k Key, claim Claim, f Failure, done func(time.Duration, error)) {
	now := s.clock.Monotonic()
	var wait time.Duration
	isWritten := s.update(k, now, func(r *record) (hasChanged bool) {
		wait, hasChanged = r.fail(claim, f, now)
		return hasChanged
	})
	if !isWritten {
		done(0, errNotWritten)
		return
	}
	done(wait, nil)
}

// Extend renews or releases the lease.
func (s *SharedData) Extend(k Key, claim Claim, until time.Duration, done func(error)) {
	now := s.clock.Monotonic()
	s.update(k, now, func(r *record) bool {
		isOurs := r.isLeasedTo(claim, now)
		if r.leaseEnds = now + until; until == 0 {
			r.endLease()
		}
		return isOurs
	})
	done(nil)
}

// bucketOf returns the shared-data key of the record's bucket. Without knowing the configuration, no one can craft
// callers that collide in a bucket.
func (s *SharedData) bucketOf(key *recordKey) string {
	number := int(binary.LittleEndian.Uint32(key.owner[:])) % s.buckets
	return s.prefix + strconv.Itoa(number)
}

// maxWriteAttempts allows for other workers writing to the bucket in between.
const maxWriteAttempts = 16

// update applies change to the record, again if another worker was faster. It returns false if the record could not be
// written, or if change returned false because there was nothing to write.
func (s *SharedData) update(k Key, now time.Duration, change func(*record) bool) bool {
	key := recordKeyOf(k)
	name := s.bucketOf(&key)
	for range maxWriteAttempts {
		data, version := s.kv.Load(name)
		r := bucket(data).find(&key)
		if r.hasToken() && len(r.token.Values) != s.values {
			r.token = token.Token{} // of another configuration; should never happen
		}
		if !change(&r) {
			return false
		}
		next, ok := bucket(data).with(&key, &r, now, s.quota)
		if !ok {
			return false
		}
		if s.kv.CompareAndSwap(name, next, version) {
			return true
		}
	}
	return false
}
