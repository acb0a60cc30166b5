package cache

import (
	"encoding/binary"
	"strconv"
	"time"
)

// Store is what the workers of one gateway process share.
type Store interface {
	// Load returns nil when there is no such key. version is for the next Swap.
	Load(key string) (data []byte, version uint32)
	// Swap writes if nobody has since version was read, and reports whether it did. A key
	// that was missing is written if it still is.
	Swap(key string, data []byte, version uint32) bool
}

// Shared data of a host can't be deleted, so that records have a fixed number of buckets for all
// configurations that there ever are. In a bucket they make room for each other: what is in use
// is written again and again, what belongs to a configuration that was replaced is not.
//
// The version is part of the keys, so that a plugin of another version in the same
// process, during an upgrade, neither reads nor spoils the records.
const (
	commonPrefix = "token-fetch/4/common/"
	callerPrefix = "token-fetch/4/callers/"

	commonBuckets = 256
	// callerBuckets is how many there are for callers at most, whatever maxEntries says: 64 MiB together.
	callerBuckets = 2048
)

var (
	commonRoom = room{tokens: 60 << 10, others: 4 << 10}
	callerRoom = room{tokens: 28 << 10, others: 4 << 10}
)

// writeAttempts are against other workers, each of which may write any number of records in between.
const writeAttempts = 16

// sharing is what a Cache and those of the other workers tell each other. A nil *sharing is
// of a cache that is alone.
type sharing struct {
	store   Store
	prefix  string
	buckets int
	room    room
	values  int // of a token of this configuration
}

func shareCommon(store Store, policy *Policy) *sharing {
	return &sharing{store: store, prefix: commonPrefix, buckets: commonBuckets, room: commonRoom, values: policy.Values}
}

// shareCallers has no more buckets than the policy has entries.
func shareCallers(store Store, policy *Policy) *sharing {
	buckets := min(policy.MaxEntries, callerBuckets)
	return &sharing{store: store, prefix: callerPrefix, buckets: buckets, room: callerRoom, values: policy.Values}
}

// bucketOf is the key of the store where a record stands. Nobody who does not know the configuration can find callers
// that share a bucket.
func (s *sharing) bucketOf(key *recordKey) string {
	number := int(binary.LittleEndian.Uint32(key.owner[:])) % s.buckets
	return s.prefix + strconv.Itoa(number)
}

// find reads the key's record; it is empty when there is none.
func (s *sharing) find(key *recordKey) record {
	data, _ := s.store.Load(s.bucketOf(key))
	return s.ours(bucket(data).find(key))
}

// ours is the record, unless its token has another number of values than those of this configuration.
func (s *sharing) ours(r record) record {
	if r.token != nil && len(r.token.Values) != s.values {
		return record{owner: r.owner}
	}
	return r
}

// update writes what change makes of the record, again when another worker was faster. It returns
// false when that was not possible, or change returned false as there is nothing to write.
func (s *sharing) update(key *recordKey, now time.Duration, change func(*record) bool) bool {
	at := s.bucketOf(key)
	for range writeAttempts {
		data, version := s.store.Load(at)
		r := s.ours(bucket(data).find(key))
		if !change(&r) {
			return false
		}
		next, ok := bucket(data).with(key, &r, now, s.room)
		if !ok {
			return false
		}
		if s.store.Swap(at, next, version) {
			return true
		}
	}
	return false
}
