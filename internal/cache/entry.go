package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// Entry holds everything a cache knows about one token: when it is renewed, what serves while there is no new one, and
// when it is dropped. It only decides; its Cache does the fetching.
type Entry struct {
	key    token.Key
	caller token.Caller // nil for a refused caller, of which only the key is kept
	// token is the latest one. It may have expired or been rejected by the upstream, and still serve as a fallback; nil
	// before the first.
	token    *stored
	usedAt   time.Duration // time of the latest request
	peekedAt time.Duration // the source, see Cache.peek
	renewAt  time.Duration // earliest time of the next renewal, as the source had no new token
	fetch    fetch         // of the next token

	retry      backoff      // after fetches that were refused; for an unavailable service, see Cache.outage
	refusal    *token.Error // the latest of these failures
	rejections backoff      // after tokens that the upstream rejected
	// isRejectionUncounted: the token was rejected, but it is not yet known whether this worker was the first to
	// notice.
	isRejectionUncounted bool

	segment segment
	size    int           // in bytes, as counted in Memory
	element *list.Element // in the list of its segment
}

// valid returns the token if requests can use it.
func (e *Entry) valid(now time.Duration) *stored {
	if !e.token.validAt(now) {
		return nil
	}
	e.usedAt = now
	return e.token
}

// query returns what to ask the source for.
func (e *Entry) query(now time.Duration) token.Query {
	q := token.Query{Caller: e.caller}
	if e.token != nil && now < e.token.expiresAt {
		q.Have, q.IsRejected = e.token.ID, e.token.rejected
	}
	return q
}

// stale returns the token, even if expired or rejected, as long as it may serve as a fallback.
func (e *Entry) stale(now time.Duration) *stored {
	if e.token.serves(now) {
		return e.token
	}
	return nil
}

// due reports whether to renew the token ahead of its end: it is time, the token is in use, and no fetch is in flight
// or held back.
func (e *Entry) due(now time.Duration) bool {
	t := e.token
	return t.validAt(now) && now >= t.dueAt && now >= e.renewAt && t.dueAt < t.expiresAt &&
		e.isUsed(now) &&
		e.fetch.state == idle && e.retry.ready(now)
}

// isUsed reports whether a request has used the token in the second half of its life so far.
func (e *Entry) isUsed(now time.Duration) bool {
	return e.usedAt >= e.token.issuedAt+(now-e.token.issuedAt)/2
}

// renewRetryInterval is how long to wait after a renewal that returned the current token because another worker is
// renewing it.
const renewRetryInterval = 200 * time.Millisecond

// store takes the token of a fetch. One without a lifetime is not kept. If it is the token that the entry already has,
// it is either being renewed elsewhere, or was rejected so soon after another that it stays in use.
func (e *Entry) store(now time.Duration, t *stored, isUsed bool) {
	e.retry.succeeded(t.issuedAt)
	e.refusal = nil
	switch {
	case !t.same(e.token):
		e.usedAt = 0
	case e.token.rejected:
		e.rejections.undo(now + renewRetryInterval)
	default:
		e.renewAt = now + renewRetryInterval
	}
	e.token = nil
	if t.validAt(now) {
		e.token = t
	}
	if isUsed {
		e.usedAt = now
	}
}

// adopt takes a token that others have, and reports whether it is news.
func (e *Entry) adopt(now time.Duration, t *stored) bool {
	switch {
	case t.same(e.token):
		e.token = e.token.merge(t)
		return false
	case t.validAt(now):
		e.retry.succeeded(t.issuedAt)
		e.token = t
		return true
	case t.serves(now) && t.rejected && !e.token.serves(now):
		e.token = t
	}
	return false
}

// refuse records that a fetch was refused. A token that is still valid serves until it expires, but not as a stale one.
func (e *Entry) refuse(now time.Duration, err *token.Error) {
	e.retry.failed(e.fetch.sentAt, now, err, true)
	e.refusal = err
	e.endStale(now, err.Reason)
}

// endStale ends the token's use as a stale one after a fetch was refused. If the caller's own token is refused and the
// upstream has rejected the caller's token, that token is dropped.
func (e *Entry) endStale(now time.Duration, why token.Reason) {
	if e.token == nil || now >= e.token.expiresAt || e.token.rejected && why == token.SubjectRefused {
		e.token = nil
		return
	}
	e.token = e.token.withoutStale()
}

// isRejectable reports whether a token that the upstream has rejected is the current one, and not already rejected.
func (e *Entry) isRejectable(id token.ID) bool { return e.token.is(id) && !e.token.rejected }

// reject marks the current token as rejected, so that the next request fetches a new one, and reports whether it did.
// For an upstream that rejects one new token after the other, this backs off, and the latest token stays in use. A
// rejected token is kept until there is a new one: a single request that gets 401 for reasons unrelated to the token
// must not leave all others without one while the token service is unavailable.
func (e *Entry) reject(now time.Duration) bool {
	if !e.rejections.ready(now) {
		return false
	}
	e.rejections.failed(now, now, &token.Error{}, false)
	e.token = e.token.asRejected()
	return true
}
