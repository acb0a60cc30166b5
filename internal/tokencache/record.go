package tokencache

import (
	"encoding/binary"
	"math"
	"time"
)

// record is a token as the workers of one gateway process share it. It is written by
// compare-and-swap only, as the token, its times and the lease to renew it must fit each
// other.
//
// Its times are on the process' monotonic clock; the token's end is there by the wall clock too,
// and the clock by which it is over first decides.
type record struct {
	owner        Key    // what the token depends on: of several configurations, whose record this is
	token        *Token // nil: there is none, or it was withdrawn
	endsAt       time.Time
	renewedUntil time.Duration // until then a worker is renewing it, or waits before it tries again
	rejections   backoff       // after tokens that the upstream rejected; without first
}

// isAbsent reports whether the record has never been written, or another configuration has taken its place.
func (r *record) isAbsent() bool { return r.token == nil && r.rejections.count == 0 }

// unused is when a record came into use that nobody needs.
const unused time.Duration = math.MinInt64

// inUseSince is when the record's token was fetched; unused if nothing in the record matters any more.
func (r *record) inUseSince(now time.Duration) time.Duration {
	switch {
	case r.token.serves(now):
		return r.token.issuedAt
	case now < r.renewedUntil || r.rejections.count > 0 && !r.rejections.forgotten(now):
		return now
	default:
		return unused
	}
}

// tokenAt is the record's token at a moment of both clocks.
func (r *record) tokenAt(now time.Duration, wall time.Time) *Token {
	if r.token == nil {
		return nil
	}
	if late := r.token.expiresAt - now - r.endsAt.Sub(wall); late > jumpTolerance {
		return r.token.earlier(late)
	}
	return r.token
}

// encode writes the owner, then times, counts and lengths as varints, then the values.
func (r *record) encode() []byte {
	data := append([]byte(nil), r.owner[:]...)
	data = binary.AppendVarint(data, int64(r.renewedUntil))
	data = binary.AppendUvarint(data, uint64(r.rejections.count)) //nolint:gosec // never negative
	data = binary.AppendVarint(data, int64(r.rejections.until))
	if r.token == nil {
		return binary.AppendUvarint(data, 0)
	}
	t := r.token
	data = binary.AppendUvarint(data, uint64(len(t.Values)))
	data = binary.AppendUvarint(data, t.id)
	for _, at := range []time.Duration{t.issuedAt, t.refreshAt, t.expiresAt, t.staleUntil} {
		data = binary.AppendVarint(data, int64(at))
	}
	data = binary.AppendVarint(data, r.endsAt.UnixNano())
	for _, value := range t.Values {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	return data
}

// decodeRecord returns an empty record and false for what is malformed: another plugin may have written it.
func decodeRecord(data []byte) (record, bool) {
	d := decoder{data: data}
	var r record
	copy(r.owner[:], d.bytes(uint64(len(r.owner))))
	r.renewedUntil = time.Duration(d.varint())
	r.rejections = backoff{count: int(min(d.uvarint(), 1<<16)), until: time.Duration(d.varint())}
	if count := d.uvarint(); count > 0 {
		r.token = &Token{id: d.uvarint()}
		for _, at := range []*time.Duration{&r.token.issuedAt, &r.token.refreshAt, &r.token.expiresAt, &r.token.staleUntil} {
			*at = time.Duration(d.varint())
		}
		r.endsAt = time.Unix(0, d.varint())
		for ; count > 0 && !d.broken; count-- {
			r.token.Values = append(r.token.Values, string(d.bytes(d.uvarint())))
		}
	}
	if d.broken || len(d.data) > 0 || r.token != nil && !r.token.isOrdered() {
		return record{}, false
	}
	return r, true
}

// isOrdered reports whether the times are those of a token, which also keeps sums of them far
// from overflow.
func (t *Token) isOrdered() bool {
	const most = 1 << 61
	return t.issuedAt > -most && t.issuedAt <= t.refreshAt && t.refreshAt <= t.expiresAt && t.expiresAt <= t.staleUntil && t.staleUntil < most
}

// decoder reads until something does not fit; then all is zero.
type decoder struct {
	data   []byte
	broken bool
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) skip(size int) {
	if size <= 0 {
		d.broken, d.data = true, nil
		return
	}
	d.data = d.data[size:]
}

func (d *decoder) bytes(size uint64) []byte {
	if size > uint64(len(d.data)) {
		d.broken, d.data = true, nil
		return nil
	}
	taken := d.data[:size]
	d.data = d.data[size:]
	return taken
}
