package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// Entry is what a cache knows about one token: how requests find it, when it is renewed,
// what serves while it can't be had, and when it is dropped. It decides only; the Cache that
// owns it makes the fetches and talks to the other workers.
type Entry struct {
	key    token.Key
	caller token.Caller // nil for a refused caller, of whom nothing but the key is kept
	// token is the latest one. It may have expired or been rejected by the upstream, as it may still stand in; nil
	// before the first.
	token    *stored
	usedAt   time.Duration // by the latest request
	lookedAt time.Duration // for what the source keeps
	renewAt  time.Duration // not before, as the source had no new one yet
	fetch    fetch         // that brings the next one

	retry      backoff      // after fetches that were refused; those that found no service are the Cache's
	refusal    *token.Error // of the latest of them
	rejections backoff      // after tokens that the upstream rejected
	// isUncounted: the token was rejected, and it is not known yet whether by this worker first.
	isUncounted bool

	segment segment
	size    int           // bytes counted for it
	element *list.Element // in the list of its segment
}

// nearEnd is how far from its end a token must be to serve by a clock that is a tick
// or so behind; a worker that is busy for longer has other troubles.
const nearEnd = 2 * time.Second

// Fresh returns the token if it can be used. now may be a little behind, so that no token is
// returned that is near its end. Requests call it, and it costs them nothing but this.
func (e *Entry) Fresh(now time.Duration) *token.Token {
	if !e.token.validAt(now + nearEnd) {
		return nil
	}
	e.usedAt = now
	return &e.token.Token
}

// valid is Fresh for an exact clock.
func (e *Entry) valid(now time.Duration) *stored {
	if !e.token.validAt(now) {
		return nil
	}
	e.usedAt = now
	return e.token
}

// query is what the source is asked for.
func (e *Entry) query(now time.Duration) token.Query {
	q := token.Query{Caller: e.caller}
	if e.token != nil && now < e.token.expiresAt {
		q.Have, q.IsRejected = e.token.ID, e.token.rejected
	}
	return q
}

// stale returns the token, which may have expired or been rejected, while it may stand in for a new one.
func (e *Entry) stale(now time.Duration) *stored {
	if e.token.serves(now) {
		return e.token
	}
	return nil
}

// due reports whether the token should be renewed ahead of its end: its time has come, it was
// used in the second half of its life so far, and no fetch is under way or held back.
func (e *Entry) due(now time.Duration) bool {
	t := e.token
	return t.validAt(now) && now >= t.refreshAt && now >= e.renewAt && t.refreshAt < t.expiresAt &&
		e.isUsed(now) &&
		e.fetch.state == idle && e.retry.open(now)
}

// isUsed reports whether a request has used the token in the second half of its life so far.
func (e *Entry) isUsed(now time.Duration) bool {
	return e.usedAt >= e.token.issuedAt+(now-e.token.issuedAt)/2
}

// renewPause is the time between two tries to renew a token while the source returns the one that there is: another worker
// is renewing it.
const renewPause = 200 * time.Millisecond

// store takes the token of a fetch. One without a lifetime is not kept. One that the entry has already is no new one: it
// is being renewed elsewhere, or was rejected so soon after another that it serves on.
func (e *Entry) store(now time.Duration, t *stored, isUsed bool) {
	e.retry.succeeded(t.issuedAt)
	e.refusal = nil
	switch {
	case !t.same(e.token):
		e.usedAt = 0
	case e.token.rejected:
		e.rejections.undo(now + renewPause)
	default:
		e.renewAt = now + renewPause
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

// refuse takes an answer that refuses a token. One that is still valid serves to its end, but
// does not stand in after it.
func (e *Entry) refuse(now time.Duration, err *token.Error) {
	e.retry.failed(e.fetch.sentAt, now, err, true)
	e.refusal = err
	e.endStale(now, err.Reason)
}

// endStale has the token serve no longer than to its end, after a fetch was refused. A caller whose own token is refused,
// and whose token the upstream has rejected as well, has none.
func (e *Entry) endStale(now time.Duration, why token.Reason) {
	if e.token == nil || now >= e.token.expiresAt || e.token.rejected && why == token.SubjectRefused {
		e.token = nil
		return
	}
	e.token = e.token.withoutStale()
}

// isRejectable reports whether a token that the upstream has rejected is the one in use. What was rejected or replaced
// before is none of the answer's business.
func (e *Entry) isRejectable(id token.ID) bool { return e.token.is(id) && !e.token.rejected }

// reject marks the token that the upstream has rejected, so that the next request gets a new one, and reports whether
// it did. An upstream that rejects one new token after the other gets them ever more slowly, while the latest is used
// on. One request that its upstream answers 401 for reasons of its own must not take the token from all others while
// the token service can give no new one: so it is kept until there is one.
func (e *Entry) reject(now time.Duration) bool {
	if !e.rejections.open(now) {
		return false
	}
	e.rejections.failed(now, now, &token.Error{}, false)
	e.token = e.token.asRejected()
	return true
}
