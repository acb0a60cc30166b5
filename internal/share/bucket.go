package share

import (
	"encoding/binary"
	"time"
)

// bucket is the value of one shared-data key: length-prefixed records of all owners that hash to it, most recently
// written first. Its size is bounded by a quota, with a separate one for records that hold a token, so that callers
// without one never evict a good token.
type bucket []byte

// quota is how many bytes a bucket has left for records with a token, and for those without one (leases, failures and
// rejections).
type quota struct{ tokens, others int }

// find returns the record that key opens, or an empty one.
func (b bucket) find(key *recordKey) (found record) {
	b.each(func(head recordHead, _, data []byte) bool {
		if head.owner != key.owner {
			return true
		}
		found, _ = key.open(data)
		return false
	})
	found.owner = key.owner
	return found
}

// each calls do for every record, with its bytes including and excluding the length prefix, until do returns false. It
// stops at malformed data: any plugin can write to shared data.
func (b bucket) each(do func(head recordHead, encoded, data []byte) bool) {
	for rest := []byte(b); len(rest) > 0; {
		d := decoder{data: rest}
		data := d.bytes(d.uvarint())
		headDecoder := decoder{data: data}
		head := headDecoder.head()
		if d.broken || headDecoder.broken || !do(head, rest[:len(rest)-len(d.data)], data) {
			return
		}
		rest = d.data
	}
}

// with returns the bucket with r in place of the owner's previous record, evicting the oldest records that no longer
// fit. ok is false if that would evict a lease: nothing may be written then.
func (b bucket) with(key *recordKey, r *record, now time.Duration, left quota) (next bucket, ok bool) {
	encoded := withLength(key.seal(r))
	if now >= r.keepUntil() || !left.reserve(r.hasToken(), len(encoded)) {
		encoded = nil // expired, or its token is too large to share
	}
	ok = true
	b.each(func(head recordHead, encoded, _ []byte) bool {
		ok = ok && (head.owner == key.owner || !head.isLease(now) || left.reserve(false, len(encoded)))
		return true
	})
	next = append(make(bucket, 0, len(b)+len(encoded)), encoded...)
	b.each(func(head recordHead, encoded, _ []byte) bool {
		switch {
		case head.owner == key.owner || now >= head.keepUntil:
		case head.isLease(now) || left.reserve(head.hasToken, len(encoded)):
			next = append(next, encoded...)
		}
		return true
	})
	return next, ok
}

// isLease reports whether a worker is fetching a first token.
func (h *recordHead) isLease(now time.Duration) bool {
	return !h.hasToken && isActive(now, h.leaseEnds, maxLease)
}

func withLength(data []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(data))), data...)
}

// reserve takes size bytes from the quota, and reports whether they were available.
func (q *quota) reserve(hasToken bool, size int) bool {
	limit := &q.others
	if hasToken {
		limit = &q.tokens
	}
	if size > *limit {
		return false
	}
	*limit -= size
	return true
}

// recordKey locates and opens a record. Any plugin in the gateway can read and write the buckets, but only one that
// knows the configuration and the caller, including their secrets, can read a record or forge one. A record sealed for
// one caller does not open for another.
type recordKey struct {
	owner  recordOwner
	aesKey [16]byte // AES-128
}

func recordKeyOf(k Key) (r recordKey) {
	copy(r.owner[:], k[:])
	copy(r.aesKey[:], k[len(r.owner):])
	return r
}

// seal encodes the record. Only the head is left readable.
func (k *recordKey) seal(r *record) []byte {
	r.owner = k.owner
	head := r.encodeHead()
	return newSealer(k.aesKey[:]).seal(head, r.appendBody(nil), head)
}

// open decodes a record. ok is false if it was not sealed with this key.
func (k *recordKey) open(data []byte) (record, bool) {
	d := decoder{data: data}
	head := d.head()
	if d.broken || head.owner != k.owner {
		return record{}, false
	}
	body, ok := newSealer(k.aesKey[:]).open(d.data, data[:len(data)-len(d.data)])
	if !ok {
		return record{}, false
	}
	return decodeBody(head, body)
}
