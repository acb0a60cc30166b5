package main

import (
	"time"
)

// tokenLife is the life of one cached token: how requests find it, when it is
// renewed, what serves while it can't be had, and when it is dropped. It decides
// only; the tokenSource that owns it makes the calls and talks to the other workers.
type tokenLife struct {
	policy *cachePolicy
	caller caller // whose token it is
	// token is the latest one. It may have expired, as it may still serve while
	// the token service fails; nil before the first, and after the upstream refused it.
	token   *token
	used    bool       // by a request since it came
	call    sharedCall // that brings the next one
	retry   backoff    // after failed calls
	refused backoff    // after tokens that the upstream refused
	failed  failure    // of the latest call; tells requests why while retry is closed
}

// valid returns the token when it can be used at that time.
func (l *tokenLife) valid(now time.Duration) *token {
	if !l.token.validAt(now) {
		return nil
	}
	l.used = true
	return l.token
}

// reply is what a request is told when it asks for a token.
type reply struct {
	told    told
	token   *token  // when served or stale
	failure failure // when denied
	place   place   // when waiting
}

type told int

const (
	served  told = iota // a valid token
	stale               // an expired one, as the token service fails
	denied              // there is none, and for now no call is made
	waiting             // for a call; the waiter will be told
)

// ask is for a request that found no valid token. needsCall tells whether a call
// should be under way.
func (l *tokenLife) ask(now time.Duration, w waiter) (r reply, needsCall bool) {
	mayCall := l.call.state != idle || l.retry.open(now)
	// After a failure nobody waits to see whether the next call fails as well.
	if t := l.stale(now); t != nil && l.retry.count > 0 {
		return reply{told: stale, token: t}, mayCall
	}
	switch {
	case !mayCall:
		return reply{told: denied, failure: l.failed}, false
	case l.call.waiting.Len() >= l.policy.maxWaiting:
		return reply{told: denied, failure: failure{tooMany, "has too many requests waiting for it"}}, true
	default:
		return reply{told: waiting, place: l.call.join(w)}, true
	}
}

// nearEnd is how far from its end a token must be to serve by a clock that is a tick
// or so behind; a worker that is busy for longer has other troubles.
const nearEnd = 2 * time.Second

// freshAt is valid for a clock that may be a little behind, and therefore has no
// token that is near its end.
func (l *tokenLife) freshAt(now time.Duration) *token { return l.valid(now + nearEnd) }

// stale returns the expired token while it may stand in for a new one.
func (l *tokenLife) stale(now time.Duration) *token {
	if l.token != nil && now < l.token.expiresAt+l.policy.staleIfError {
		return l.token
	}
	return nil
}

// brought takes the token of a good answer, which waiters are about to get. One
// without a lifetime is for them only and not kept.
func (l *tokenLife) brought(now, lifetime time.Duration, values []string, waiters int) *token {
	t := &token{values: values, expiresAt: now + lifetime, refreshAt: now + l.policy.refreshAfter(lifetime)}
	l.retry.succeeded()
	l.token, l.used = t, waiters > 0
	if lifetime <= 0 {
		l.token = nil
	}
	return t
}

// adopt takes a token that another worker brought, if it is news.
func (l *tokenLife) adopt(now time.Duration, t *token) bool {
	if !t.validAt(now) || t.same(l.token) {
		return false
	}
	l.retry.succeeded()
	l.token, l.used = t, false
	return true
}

// missed takes a failed call. A token that is still valid stays.
func (l *tokenLife) missed(now, retryAfter time.Duration, f failure) {
	l.failed = f
	l.retry.failed(now, retryAfter)
}

// needsRenewal tells whether the token should be renewed ahead of its end: it is
// in use, its time has come, and no call is under way or held back.
func (l *tokenLife) needsRenewal(now time.Duration) bool {
	return l.used && l.token.validAt(now) && now >= l.token.refreshAt &&
		l.token.refreshAt < l.token.expiresAt && l.call.state == idle && l.retry.open(now)
}

// refuse drops the token that the upstream has refused, so that the next request
// gets a new one, and tells whether it did. A token that has been replaced
// meanwhile is none of the answer's business; and an upstream that refuses one new
// token after the other gets them ever more slowly, while the latest is used on.
func (l *tokenLife) refuse(now time.Duration, t *token) bool {
	if l.token != t || !l.refused.open(now) {
		return false
	}
	if now > l.refused.until+maxBackoff {
		l.refused.succeeded()
	}
	l.refused.failed(now, 0)
	l.token = nil
	return true
}
