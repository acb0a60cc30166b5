package cache

import (
	"encoding/binary"
	"time"
)

// bucket is the value of one key of shared data: the records of all owners that fall into it, each with
// its length before it, the one that was written last first. It has room for so many bytes; the records of
// tokens have their own, so that callers without a good token never push one out.
type bucket []byte

// room is how many bytes a bucket has for records with a token, and for those without: leases,
// refusals and rejections.
type room struct{ tokens, others int }

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
func (b bucket) with(key *recordKey, r *record, now time.Duration, has room) (next bucket, ok bool) {
	whole := withLength(key.sealed(r))
	if now >= r.neededUntil() || !has.take(r.token.valueCount() > 0, len(whole)) {
		whole = nil // of no use, or a token that is too large to be shared
	}
	ok = true
	b.each(func(head recordHead, whole, _ []byte) bool {
		ok = ok && (head.owner == key.owner || !head.isLease(now) || has.take(false, len(whole)))
		return true
	})
	next = append(make(bucket, 0, len(b)+len(whole)), whole...)
	b.each(func(head recordHead, whole, _ []byte) bool {
		switch {
		case head.owner == key.owner || now >= head.neededUntil:
		case head.isLease(now) || has.take(head.values > 0, len(whole)):
			next = append(next, whole...)
		}
		return true
	})
	return next, ok
}

// isLease reports whether a worker fetches a first token.
func (h *recordHead) isLease(now time.Duration) bool {
	return h.values == 0 && isWithin(now, h.leasedUntil, longestLease)
}

func withLength(data []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(data))), data...)
}

// take takes bytes of the room, and reports whether there were so many.
func (r *room) take(hasToken bool, size int) bool {
	of := &r.others
	if hasToken {
		of = &r.tokens
	}
	if size > *of {
		return false
	}
	*of -= size
	return true
}
