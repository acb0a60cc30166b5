package share

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"token-fetch/internal/token"
)

// record is all that shared data has of a key. It is written by compare-and-swap only, as the token, its times and the lease
// must fit each other. What it means is what redis_scripts.go says of Redis.
//
// Its times are on the process' monotonic clock; the token's end is there by the wall clock too,
// and the clock by which it is over first decides.
type record struct {
	owner      recordOwner // of all records in one bucket, whose this is
	token      token.Token // without Values: there is none
	isRejected bool        // by an upstream: it only stands in for a new one
	issuedAt   time.Duration
	dueAt      time.Duration
	endsAt     time.Time // by the wall clock
	lease      uint64    // whose; 0: nobody's
	leaseEnds  time.Duration
	failure    token.Reason // why nobody may call until failed is over; 0: tokens may not be kept, so that each calls for itself
	failed     waits
	rejections waits // before the next token that was rejected is withdrawn
}

// recordOwner names a record in its bucket.
type recordOwner [16]byte

// waits are after failures in a row, or rejections.
type waits struct {
	count int
	until time.Duration
}

// next begins the next wait, which is up to a fifth longer than it need be, so that gateways spread out.
func (w *waits) next(now time.Duration, of func(count int) time.Duration, isExact bool) time.Duration {
	if now >= w.until+MaxBackoff {
		w.count = 0 // the last one is forgotten
	}
	wait := of(w.count)
	if !isExact {
		wait += rand.N(min(wait, MaxBackoff)/5 + 1) //nolint:gosec // no secret: it only spreads gateways
		wait = max(min(wait, MaxBackoff), of(w.count))
	}
	w.count++
	w.until = now + wait
	return wait
}

// longestLease is longer than any is asked for: a call takes a minute at most, and what there is to be waited for it.
const longestLease = 3 * time.Minute

// isWithin reports whether a time is to come, and no further off than it can be. now may be a little behind that of the
// worker that wrote it, whose record was read after the clock was.
func isWithin(now, until, most time.Duration) bool {
	return now < until && until-now <= most+time.Second
}

func (r *record) hasToken() bool { return len(r.token.Values) > 0 }

func (r *record) expiresAt() time.Duration { return r.issuedAt + r.token.Lifetime }

// neededUntil is when nothing in the record matters any more.
func (r *record) neededUntil() time.Duration {
	until := r.leaseEnds
	if r.hasToken() {
		until = max(until, r.expiresAt())
	}
	for _, w := range []waits{r.failed, r.rejections} {
		if w.count > 0 {
			until = max(until, w.until+MaxBackoff)
		}
	}
	return until
}

// tokenAt is the record's token at a moment of both clocks; ok is false when there is none.
func (r *record) tokenAt(now time.Duration, wall time.Time) (t token.Token, ok bool) {
	left := r.expiresAt() - now
	if byWall := r.endsAt.Sub(wall); left-byWall > jumpTolerance {
		left = byWall
	}
	if !r.hasToken() || left <= 0 {
		return token.Token{}, false
	}
	t = r.token
	t.Age = t.Lifetime - left
	return t, true
}

// jumpTolerance is what the two clocks may drift apart without it being a jump.
const jumpTolerance = time.Second

// look decides on a Look, and reports whether the record has changed.
func (r *record) look(q Question, now time.Duration, wall time.Time) (f Found, hasChanged bool) {
	if q.IsRejected && r.hasToken() && !r.isRejected && r.token.ID == q.Have && now >= r.rejections.until {
		r.rejections.next(now, func(count int) time.Duration { return backoff(q.Backoff, count) }, false)
		r.isRejected, hasChanged = true, true
	}
	t, isValid := r.tokenAt(now, wall)
	var standIn *token.Token
	if isValid && r.isRejected {
		standIn, isValid = &t, false
	}
	isHeld := r.failed.count > 0 && isWithin(now, r.failed.until, token.MaxRetryAfter)
	switch {
	case isValid && (t.ID != q.Have || q.IsRejected || now < r.dueAt):
		return Found{Is: HasToken, Token: t}, hasChanged
	case isHeld && !isValid && r.failure == 0:
		return Found{Is: IsAlone, StandIn: standIn}, hasChanged
	case isHeld && !isValid:
		return Found{Is: HasFailed, Reason: r.failure, Wait: r.failed.until - now, StandIn: standIn}, hasChanged
	case !isHeld && !r.isLeased(now) && q.Lease > 0:
		r.lease, r.leaseEnds = q.Owner, now+q.Lease
		return Found{Is: IsLeased, Lease: Lease{Owner: q.Owner}, StandIn: standIn}, true
	case isValid:
		return Found{Is: HasToken, Token: t}, hasChanged
	default:
		return Found{Is: IsBusy, Lease: Lease{Owner: q.Owner}, StandIn: standIn}, hasChanged
	}
}

func (r *record) isLeased(now time.Duration) bool {
	return r.lease != 0 && isWithin(now, r.leaseEnds, longestLease)
}

func (r *record) isLeasedTo(l Lease, now time.Duration) bool {
	return r.isLeased(now) && r.lease == l.Owner
}

func (r *record) endLease() { r.lease, r.leaseEnds = 0, 0 }

// save decides on a Save, and reports whether the record has changed.
func (r *record) save(l Lease, t token.Token, dueAfter, now time.Duration, wall time.Time) bool {
	if _, isValid := r.tokenAt(now, wall); !r.isLeasedTo(l, now) && (r.isLeased(now) || isValid && !r.isRejected) {
		return false
	}
	r.endLease()
	r.failure, r.failed = 0, waits{}
	r.issuedAt = now - t.Age
	r.dueAt = r.issuedAt + dueAfter
	r.endsAt = wall.Add(t.Lifetime - t.Age)
	t.Age, t.IsShared = 0, false
	r.token, r.isRejected = t, false
	return true
}

// fail decides on a Fail.
func (r *record) fail(l Lease, f Failure, now time.Duration) (wait time.Duration, hasChanged bool) {
	if !r.isLeasedTo(l, now) {
		return 0, false
	}
	r.endLease()
	r.failure = f.Reason
	if f.Reason == token.SubjectRefused && r.isRejected {
		r.token = token.Token{}
	}
	return r.failed.next(now, f.wait, f.IsExact), true
}

// recordHead is the beginning of an encoded record: what decides whether it stays in its bucket.
type recordHead struct {
	owner       recordOwner
	neededUntil time.Duration
	leaseEnds   time.Duration
	hasToken    bool
}

// encodeHead writes the owner, and numbers as varints.
func (r *record) encodeHead() []byte {
	data := append([]byte(nil), r.owner[:]...)
	data = binary.AppendVarint(data, int64(r.neededUntil()))
	data = binary.AppendVarint(data, int64(r.leaseEnds))
	if r.hasToken() {
		return append(data, 1)
	}
	return append(data, 0)
}

// appendBody writes all else in the same way.
func (r *record) appendBody(data []byte) []byte {
	data = binary.AppendUvarint(data, r.lease)
	data = append(data, byte(r.failure))
	for _, w := range []waits{r.failed, r.rejections} {
		data = binary.AppendUvarint(data, uint64(w.count)) //nolint:gosec // never negative
		data = binary.AppendVarint(data, int64(w.until))
	}
	if !r.hasToken() {
		return data
	}
	data = binary.AppendVarint(data, int64(r.issuedAt))
	data = binary.AppendVarint(data, int64(r.dueAt))
	data = binary.AppendVarint(data, r.endsAt.UnixNano())
	if r.isRejected {
		data = append(data, 1)
	} else {
		data = append(data, 0)
	}
	return appendToken(data, r.token)
}

func (d *decoder) head() (h recordHead) {
	copy(h.owner[:], d.bytes(uint64(len(h.owner))))
	h.neededUntil, h.leaseEnds = d.duration(), d.duration()
	h.hasToken = d.byte() == 1
	return h
}

// decodeBody returns an empty record and false for what is malformed.
func decodeBody(head recordHead, body []byte) (record, bool) {
	d := decoder{data: body}
	r := record{owner: head.owner, leaseEnds: head.leaseEnds, lease: d.uvarint(), failure: d.reason()}
	for _, w := range []*waits{&r.failed, &r.rejections} {
		w.count, w.until = int(min(d.uvarint(), 1<<16)), d.duration()
	}
	if head.hasToken {
		r.issuedAt, r.dueAt = d.duration(), d.duration()
		r.endsAt = time.Unix(0, d.wallTime())
		r.isRejected = d.byte() == 1
		r.token = d.token()
	}
	if d.broken || len(d.data) > 0 {
		return record{}, false
	}
	return r, true
}

// wallTime is in nanoseconds since 1970.
func (d *decoder) wallTime() int64 {
	n, size := binary.Varint(d.data)
	d.skip(size)
	return n
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
