package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/tokenservice"
)

// outcome is how a token call ended that brought no token.
type outcome int

const (
	noToken        outcome = iota // answered as it should, but without a usable token
	callFailed                    // another status, a timeout or a reset
	noCluster                     // the gateway knows no such cluster
	tooMany                       // not asked: too many requests wait for a call already
	subjectRefused                // the caller's token was refused, which is the caller's fault
	internalError                 // the plugin's own fault
)

// String is the outcome's name in the details of a denied request, where an
// access log shows it (%RESPONSE_CODE_DETAILS%).
func (o outcome) String() string {
	return [...]string{"no_token", "call_failed", "no_cluster", "too_many_waiting", "subject_refused", "internal_error"}[o]
}

// errNoCluster is the gateway's own error, beside those of tokenservice and cache.
var errNoCluster = errors.New("is unknown to the gateway")

// reason is why a token service brought no token, for the metrics: what an operator looks into next. The caller's own
// fault is none.
type reason int

const (
	noAnswer      reason = iota // a timeout, a reset or no connection
	serverError                 // 5xx; Envoy too says 503 or 504 where it has no connection, or no answer in time
	rateLimited                 // 429
	otherStatus                 // any other that is not good: the credentials are wrong, the service has moved, ...
	badAnswer                   // a good status, but successWhen does not hold, or it is too large
	withoutToken                // a good status, but no usable token
	noSuchCluster               // no call: the gateway knows no such cluster
	notSent                     // no call: the cluster has no healthy host, or it could not be signed
	reasons                     // their number
)

// String is the reason's part of a metric's name.
func (r reason) String() string {
	return [...]string{"no_answer", "server_error", "rate_limited", "other_status", "bad_answer", "no_token", "no_cluster", "not_sent"}[r]
}

// reasonOfAnswer is why an answer with that status brought no token.
func reasonOfAnswer(failed *tokenservice.Failure, status int) reason {
	switch {
	case failed.Kind == tokenservice.NoToken:
		return withoutToken
	case status == 0:
		return noAnswer
	case status/100 == 5:
		return serverError
	case status == 429:
		return rateLimited
	case status/100 == 2:
		return badAnswer
	default:
		return otherStatus
	}
}

// reasonOfDispatch is why a call could not be made.
func reasonOfDispatch(err error) reason {
	if errors.Is(err, errNoCluster) {
		return noSuchCluster
	}
	return notSent
}

// outcomeOf is what an error means for the request that is told of it.
func outcomeOf(err error) outcome {
	var failed *tokenservice.Failure
	switch {
	case errors.As(err, &failed) && failed.Kind == tokenservice.NoToken:
		return noToken
	case errors.As(err, &failed) && failed.Kind == tokenservice.SubjectRefused:
		return subjectRefused
	case errors.Is(err, errNoCluster):
		return noCluster
	case errors.Is(err, cache.ErrTooManyWaiting), errors.Is(err, cache.ErrTooManyCallers):
		return tooMany
	case errors.Is(err, cache.ErrPanic):
		return internalError
	default:
		return callFailed
	}
}

// failurePolicy says what becomes of a request that got no token. It is the
// only place where that is decided.
type failurePolicy config.Failure

// denies reports whether the request is answered; otherwise it goes on upstream without a
// token. A refused subject is always denied, by a reply of its own.
func (p *failurePolicy) denies(o outcome) bool {
	switch {
	case o == internalError || o == subjectRefused || p.Mode == config.Deny:
		return true // what a panic left behind is never let through
	case p.Mode == config.Allow:
		return false
	default:
		return o == callFailed || o == tooMany
	}
}

// consequence says for the log what the plugin does now.
func (p *failurePolicy) consequence(o outcome) string {
	if p.denies(o) {
		return fmt.Sprintf("requests that have no token are answered %d", p.Status)
	}
	return "requests that have no token go on without one"
}

// replyHeaders are those of a reply to a request that no call will be made for before wait is over; 0 when that is
// not known.
func (p *failurePolicy) replyHeaders(wait time.Duration) [][2]string {
	if wait <= 0 || p.Status != 429 && p.Status != 503 {
		return p.Headers
	}
	if _, isConfigured := tokenservice.FirstHeader(p.Headers, "retry-after"); isConfigured {
		return p.Headers
	}
	seconds := (wait + time.Second - 1) / time.Second // a client that comes earlier would come in vain
	return append(p.Headers[:len(p.Headers):len(p.Headers)], [2]string{"retry-after", strconv.Itoa(int(seconds))})
}

// waitAfter is for how long no call is made after a request was told this error; 0 when that is not known.
func waitAfter(err error, now time.Duration) time.Duration {
	if until, ok := cache.HeldBackUntil(err); ok {
		return until - now
	}
	var failed *tokenservice.Failure
	if errors.As(err, &failed) {
		// Of a call that a request has made for itself: the next makes one at once, but the token service has asked
		// for a pause.
		return min(failed.RetryAfter, cache.MaxRetryAfter)
	}
	return 0
}
