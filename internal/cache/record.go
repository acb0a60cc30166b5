package cache

import (
	"encoding/binary"
	"time"

	"token-fetch/internal/token"
)

// record is what the workers of one gateway process tell each other about one token. It is written by
// compare-and-swap only, as the token, its times and the lease to fetch the next must fit each
// other.
//
// Its times are on the process' monotonic clock; the token's end is there by the wall clock too,
// and the clock by which it is over first decides.
type record struct {
	owner       token.Key // what the token depends on: of all records in one bucket, whose this is
	token       *stored   // nil: there is none
	endsAt      time.Time
	leasedUntil time.Duration // until then a worker is fetching the next token
	rejections  backoff       // after tokens that the upstream rejected; without first
	failed      sharedFailure // of the latest fetch; zero after a good one
}

// sharedFailure is a failure as the other workers learn of it.
type sharedFailure struct {
	reason token.Reason // 0: there is none
	wait   backoff      // without first
}

// longestLease is longer than any fetch takes: through a fleet, two timeouts of a minute and a second.
const longestLease = 3 * time.Minute

// isWithin reports whether a time is to come, and no further off than it can be: another plugin may have written it.
// now may be a little behind that of the worker that wrote it, whose record was read after the clock was.
func isWithin(now, until, most time.Duration) bool {
	return now < until && until-now <= most+time.Second
}

// refuses reports whether the latest fetch was refused, and the next must wait.
func (f *sharedFailure) refuses(now time.Duration) bool {
	return f.reason != 0 && !f.reason.IsUnavailable() && isWithin(now, f.wait.until, MaxBackoff)
}

// holdsBack reports whether no token is fetched ahead of its time.
func (f *sharedFailure) holdsBack(now time.Duration) bool {
	return f.reason != 0 && isWithin(now, f.wait.until, token.MaxRetryAfter)
}

// isAbsent reports whether nobody has written of a token, or the record had to make room for others.
func (r *record) isAbsent() bool { return r.token == nil && r.rejections.count == 0 }

// isLeased reports whether a worker is fetching the next token.
func (r *record) isLeased(now time.Duration) bool { return isWithin(now, r.leasedUntil, longestLease) }

// neededUntil is when nothing in the record matters any more.
func (r *record) neededUntil() time.Duration {
	until := r.leasedUntil
	if r.token != nil {
		until = max(until, r.token.staleUntil)
	}
	for _, wait := range []backoff{r.rejections, r.failed.wait} {
		if wait.count > 0 {
			until = max(until, wait.until+MaxBackoff)
		}
	}
	return until
}

// tokenAt is the record's token at a moment of both clocks.
func (r *record) tokenAt(now time.Duration, wall time.Time) *stored {
	if r.token == nil {
		return nil
	}
	if late := r.token.expiresAt - now - r.endsAt.Sub(wall); late > jumpTolerance {
		return r.token.earlier(late)
	}
	return r.token
}

// recordHead is the beginning of an encoded record: what decides whether it stays in its bucket.
type recordHead struct {
	owner       token.Key
	neededUntil time.Duration
	leasedUntil time.Duration
	values      uint64 // of its token; 0: it has none
}

// encodeHead writes the owner, and numbers as varints.
func (r *record) encodeHead() []byte {
	data := append([]byte(nil), r.owner[:]...)
	data = binary.AppendVarint(data, int64(r.neededUntil()))
	data = binary.AppendVarint(data, int64(r.leasedUntil))
	return binary.AppendUvarint(data, uint64(r.token.valueCount())) //nolint:gosec // never negative
}

// appendBody writes all else in the same way, the values last.
func (r *record) appendBody(data []byte) []byte {
	data = appendWait(data, r.rejections)
	data = append(data, byte(r.failed.reason))
	data = appendWait(data, r.failed.wait)
	if r.token == nil {
		return data
	}
	t := r.token
	data = append(binary.AppendUvarint(data, uint64(t.ID)), byteOf(t.rejected))
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

func byteOf(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (t *stored) valueCount() int {
	if t == nil {
		return 0
	}
	return len(t.Values)
}

func appendWait(data []byte, wait backoff) []byte {
	data = binary.AppendUvarint(data, uint64(wait.count)) //nolint:gosec // never negative
	data = binary.AppendVarint(data, int64(wait.since))
	return binary.AppendVarint(data, int64(wait.until))
}

// decodeBody returns an empty record and false for what is malformed.
func decodeBody(head recordHead, body []byte) (record, bool) {
	d := decoder{data: body}
	r := record{owner: head.owner, leasedUntil: head.leasedUntil, rejections: d.wait()}
	r.failed = sharedFailure{reason: d.reason(), wait: d.wait()}
	if head.values > 0 {
		r.token = &stored{Token: token.Token{ID: token.ID(d.uvarint())}, rejected: d.byte() == 1}
		for _, at := range []*time.Duration{&r.token.issuedAt, &r.token.refreshAt, &r.token.expiresAt, &r.token.staleUntil} {
			*at = time.Duration(d.varint())
		}
		r.endsAt = time.Unix(0, d.varint())
		for count := head.values; count > 0 && !d.broken; count-- {
			r.token.Values = append(r.token.Values, string(d.bytes(d.uvarint())))
		}
	}
	if d.broken || len(d.data) > 0 || !r.isOrdered() {
		return record{}, false
	}
	return r, true
}

// isOrdered reports whether the times are those of a record, which also keeps sums of them far from overflow.
func (r *record) isOrdered() bool {
	times := []time.Duration{r.leasedUntil, r.rejections.since, r.rejections.until, r.failed.wait.since, r.failed.wait.until}
	if t := r.token; t != nil {
		if t.issuedAt > t.refreshAt || t.refreshAt > t.expiresAt || t.expiresAt > t.staleUntil {
			return false
		}
		times = append(times, t.issuedAt, t.staleUntil)
	}
	const most = 1 << 61
	for _, at := range times {
		if at <= -most || at >= most {
			return false
		}
	}
	return true
}

// decoder reads until something does not fit; then all is zero.
type decoder struct {
	data   []byte
	broken bool
}

func (d *decoder) head() (h recordHead) {
	copy(h.owner[:], d.bytes(uint64(len(h.owner))))
	h.neededUntil, h.leasedUntil = time.Duration(d.varint()), time.Duration(d.varint())
	h.values = d.uvarint()
	return h
}

func (d *decoder) wait() backoff {
	return backoff{count: int(min(d.uvarint(), 1<<16)), since: time.Duration(d.varint()), until: time.Duration(d.varint())}
}

func (d *decoder) byte() byte {
	taken := d.bytes(1)
	if taken == nil {
		return 0
	}
	return taken[0]
}

// reason is one that workers share, or none.
func (d *decoder) reason() token.Reason {
	r := token.Reason(d.byte())
	if int(r) >= token.Reasons || r != 0 && !r.IsShared() {
		d.broken = true
		return 0
	}
	return r
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
