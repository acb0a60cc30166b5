package share

import (
	"encoding/binary"
	"time"
)

// bucket is the value of one key of shared data: the records of all owners that fall into it, each with
// its length before it, the one that was written last first. It has room for so many bytes; the records of
// tokens have their own, so that callers without a good token never push one out.
type bucket []byte

// quota is how many bytes a bucket has for records with a token, and for those without: leases,
// failures and rejections.
type quota struct{ tokens, others int }

// find returns the record that the key opens, or an empty one.
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

// each goes through the records, with all their bytes and those without the length, until do returns
// false. What is malformed ends it: another plugin may have written there.
func (b bucket) each(do func(head recordHead, whole, data []byte) bool) {
	for rest := []byte(b); len(rest) > 0; {
		d := decoder{data: rest}
		data := d.bytes(d.uvarint())
		of := decoder{data: data}
		head := of.head()
		if d.broken || of.broken || !do(head, rest[:len(rest)-len(d.data)], data) {
			return
		}
		rest = d.data
	}
}

// with returns the bucket with this record in it, instead of the owner's before and of the oldest ones
// that must make room. ok is false when leases would have to: then nothing may be written.
func (b bucket) with(key *recordKey, r *record, now time.Duration, has quota) (next bucket, ok bool) {
	whole := withLength(key.sealed(r))
	if now >= r.neededUntil() || !has.reserve(r.hasToken(), len(whole)) {
		whole = nil // of no use, or a token that is too large to be shared
	}
	ok = true
	b.each(func(head recordHead, whole, _ []byte) bool {
		ok = ok && (head.owner == key.owner || !head.isLease(now) || has.reserve(false, len(whole)))
		return true
	})
	next = append(make(bucket, 0, len(b)+len(whole)), whole...)
	b.each(func(head recordHead, whole, _ []byte) bool {
		switch {
		case head.owner == key.owner || now >= head.neededUntil:
		case head.isLease(now) || has.reserve(head.hasToken, len(whole)):
			next = append(next, whole...)
		}
		return true
	})
	return next, ok
}

// isLease reports whether a worker fetches a first token.
func (h *recordHead) isLease(now time.Duration) bool {
	return !h.hasToken && isWithin(now, h.leaseEnds, longestLease)
}

func withLength(data []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(data))), data...)
}

// reserve takes bytes of the quota, and reports whether there were so many.
func (q *quota) reserve(hasToken bool, size int) bool {
	of := &q.others
	if hasToken {
		of = &q.tokens
	}
	if size > *of {
		return false
	}
	*of -= size
	return true
}

// recordKey is by which a record is found and opened: who does not know the configuration and the caller, with their
// secrets, can't read a record or make one, though every plugin of the gateway can read and write the buckets. Nor can
// a record be taken for another caller's.
type recordKey struct {
	owner recordOwner
	seal  [16]byte // of AES-128
}

func recordKeyOf(k Key) (r recordKey) {
	copy(r.owner[:], k[:])
	copy(r.seal[:], k[len(r.owner):])
	return r
}

// sealed is the encoded record, of which only the head can be read by others.
func (k *recordKey) sealed(r *record) []byte {
	r.owner = k.owner
	head := r.encodeHead()
	return newSealer(k.seal[:]).seal(head, r.appendBody(nil), head)
}

// open returns an empty record and false for one that nobody has sealed with the key.
func (k *recordKey) open(data []byte) (record, bool) {
	d := decoder{data: data}
	head := d.head()
	if d.broken || head.owner != k.owner {
		return record{}, false
	}
	body, ok := newSealer(k.seal[:]).open(d.data, data[:len(data)-len(d.data)])
	if !ok {
		return record{}, false
	}
	return decodeBody(head, body)
}
