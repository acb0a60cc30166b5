package share

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"token-fetch/internal/token"
)

// record is everything that shared data holds for one Key. It is written by compare-and-swap only, so that token, times
// and lease are always consistent. Its semantics are those of redis_scripts.go.
//
// Times are on the process's monotonic clock, but the token's end is kept by the wall clock as well: whichever clock
// reaches it first decides.
type record struct {
	owner            recordOwner // among the records of a bucket
	token            token.Token // no Values: no token
	isRejected       bool        // by an upstream: the token serves only as a fallback
	issuedAt         time.Duration
	dueAt            time.Duration
	endsAt           time.Time // by the wall clock
	leaseOwner       uint64    // 0: no lease
	leaseEnds        time.Duration
	failure          token.Reason // of the latest failed call; 0: tokens must not be cached, so everyone calls directly
	failureBackoff   backoff
	rejectionBackoff backoff // until it is over, a rejected token is not replaced
}

// recordOwner identifies a record within its bucket.
type recordOwner [16]byte

// backoff is the state after a number of consecutive failures or rejections.
type backoff struct {
	count int
	until time.Duration
}

// next starts the next wait. Unless it is exact, it is up to a fifth longer, so that gateways spread out.
func (b *backoff) next(now time.Duration, waitAfter func(count int) time.Duration, isExact bool) time.Duration {
	if now >= b.until+MaxBackoff {
		b.count = 0 // the previous failures are forgotten
	}
	wait := waitAfter(b.count)
	if !isExact {
		wait += rand.N(min(wait, MaxBackoff)/5 + 1) //nolint:gosec // no secret: it only spreads gateways
		wait = max(min(wait, MaxBackoff), waitAfter(b.count))
	}
	b.count++
	b.until = now + wait
	return wait
}

// maxLease exceeds every lease: a call takes at most a minute, plus the time spent waiting for it.
const maxLease = 3 * time.Minute

// isActive reports whether until is in the future but no further than limit. now may be slightly behind the clock of
// the worker that wrote until, because the clock was read before the record was.
func isActive(now, until, limit time.Duration) bool {
	return now < until && until-now <= limit+time.Second
}

func (r *record) hasToken() bool { return len(r.token.Values) > 0 }

func (r *record) expiresAt() time.Duration { return r.issuedAt + r.token.Lifetime }

// keepUntil is when the record can be dropped.
func (r *record) keepUntil() time.Duration {
	until := r.leaseEnds
	if r.hasToken() {
		until = max(until, r.expiresAt())
	}
	for _, b := range []backoff{r.failureBackoff, r.rejectionBackoff} {
		if b.count > 0 {
			until = max(until, b.until+MaxBackoff)
		}
	}
	return until
}

// tokenAt returns the token with its age by both clocks. ok is false if there is no token or it has expired.
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

// jumpTolerance is how far the two clocks may drift apart before it counts as a jump.
const jumpTolerance = time.Second

// look implements Store.Look, and reports whether the record has changed.
func (r *record) look(q LookRequest, now time.Duration, wall time.Time) (found LookResult, hasChanged bool) {
	if q.IsRejected && r.hasToken() && !r.isRejected && r.token.ID == q.Have && now >= r.rejectionBackoff.until {
		r.rejectionBackoff.next(now, func(count int) time.Duration { return backoffAfter(q.Backoff, count) }, false)
		r.isRejected, hasChanged = true, true
	}
	t, isValid := r.tokenAt(now, wall)
	var fallback *token.Token
	if isValid && r.isRejected {
		fallback, isValid = &t, false
	}
	isBackingOff := r.failureBackoff.count > 0 && isActive(now, r.failureBackoff.until, token.MaxRetryAfter)
	switch {
	case isValid && (t.ID != q.Have || q.IsRejected || now < r.dueAt):
		return LookResult{Status: TokenFound, Token: t}, hasChanged
	case isBackingOff && !isValid && r.failure == 0:
		return LookResult{Status: Uncacheable, Fallback: fallback}, hasChanged
	case isBackingOff && !isValid:
		return LookResult{Status: InBackoff, Reason: r.failure, Wait: r.failureBackoff.until - now, Fallback: fallback}, hasChanged
	case !isBackingOff && !r.isLeased(now) && q.Lease > 0:
		r.leaseOwner, r.leaseEnds = q.Owner, now+q.Lease
		return LookResult{Status: LeaseGranted, Claim: Claim{Owner: q.Owner}, Fallback: fallback}, true
	case isValid:
		return LookResult{Status: TokenFound, Token: t}, hasChanged
	default:
		return LookResult{Status: LeaseHeld, Claim: Claim{Owner: q.Owner}, Fallback: fallback}, hasChanged
	}
}

func (r *record) isLeased(now time.Duration) bool {
	return r.leaseOwner != 0 && isActive(now, r.leaseEnds, maxLease)
}

func (r *record) isLeasedTo(claim Claim, now time.Duration) bool {
	return r.isLeased(now) && r.leaseOwner == claim.Owner
}

func (r *record) endLease() { r.leaseOwner, r.leaseEnds = 0, 0 }

// save implements Store.Save, and reports whether the record has changed.
func (r *record) save(claim Claim, t token.Token, dueAfter, now time.Duration, wall time.Time) bool {
	if _, isValid := r.tokenAt(now, wall); !r.isLeasedTo(claim, now) && (r.isLeased(now) || isValid && !r.isRejected) {
		return false
	}
	r.endLease()
	r.failure, r.failureBackoff = 0, backoff{}
	r.issuedAt = now - t.Age
	r.dueAt = r.issuedAt + dueAfter
	r.endsAt = wall.Add(t.Lifetime - t.Age)
	t.Age, t.IsShared = 0, false
	r.token, r.isRejected = t, false
	return true
}

// fail implements Store.Fail.
func (r *record) fail(claim Claim, f Failure, now time.Duration) (wait time.Duration, hasChanged bool) {
	if !r.isLeasedTo(claim, now) {
		return 0, false
	}
	r.endLease()
	r.failure = f.Reason
	if f.Reason == token.SubjectRefused && r.isRejected {
		r.token = token.Token{}
	}
	return r.failureBackoff.next(now, f.wait, f.IsExact), true
}

// recordHead is the unencrypted start of a record. It decides whether the record stays in its bucket.
type recordHead struct {
	owner     recordOwner
	keepUntil time.Duration
	leaseEnds time.Duration
	hasToken  bool
}

// encodeHead encodes the owner, and numbers as varints.
func (r *record) encodeHead() []byte {
	data := append([]byte(nil), r.owner[:]...)
	data = binary.AppendVarint(data, int64(r.keepUntil()))
	data = binary.AppendVarint(data, int64(r.leaseEnds))
	if r.hasToken() {
		return append(data, 1)
	}
	return append(data, 0)
}

// appendBody encodes the rest in the same way.
func (r *record) appendBody(data []byte) []byte {
	data = binary.AppendUvarint(data, r.leaseOwner)
	data = append(data, byte(r.failure))
	for _, b := range []backoff{r.failureBackoff, r.rejectionBackoff} {
		data = binary.AppendUvarint(data, uint64(b.count)) //nolint:gosec // never negative
		data = binary.AppendVarint(data, int64(b.until))
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
	h.keepUntil, h.leaseEnds = d.duration(), d.duration()
	h.hasToken = d.byte() == 1
	return h
}

// decodeBody returns an empty record and false if the body is malformed.
func decodeBody(head recordHead, body []byte) (record, bool) {
	d := decoder{data: body}
	r := record{owner: head.owner, leaseEnds: head.leaseEnds, leaseOwner: d.uvarint(), failure: d.reason()}
	for _, b := range []*backoff{&r.failureBackoff, &r.rejectionBackoff} {
		b.count, b.until = int(min(d.uvarint(), 1<<16)), d.duration()
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

// reason is one that workers share, or zero.
func (d *decoder) reason() token.Reason {
	r := token.Reason(d.byte())
	if int(r) >= token.NumReasons || r != 0 && !r.IsShared() {
		d.broken = true
		return 0
	}
	return r
}
