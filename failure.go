package main

import (
	"fmt"
	"time"

	"token-fetch/internal/tokencache"
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

// failure is an outcome without a token.
type failure struct {
	outcome outcome
	reason  string // for the log; begins with a verb whose subject is the token service
	// unavailable: the token service can't answer, whoever calls.
	unavailable bool
	retryAfter  time.Duration // for which it asks to be left alone
}

func (f *failure) Error() string { return f.reason }

func (f *failure) result() tokencache.Result {
	return tokencache.Result{Failure: &tokencache.Failure{Err: f, Unavailable: f.unavailable, RetryAfter: f.retryAfter}}
}

// failurePolicy says what becomes of a request that got no token. It is the
// only place where that is decided.
type failurePolicy struct {
	mode        failureMode
	status      uint32
	body        []byte
	contentType string
}

type failureMode int

const (
	modeSample failureMode = iota // no failure configured: as in the guide's sample
	modeDeny
	modeAllow
)

// denies reports whether the request is answered; otherwise it goes on upstream without a
// token. A refused subject is always denied, by a reply of its own.
func (p *failurePolicy) denies(o outcome) bool {
	switch {
	case o == internalError || o == subjectRefused || p.mode == modeDeny:
		return true // what a panic left behind is never let through
	case p.mode == modeAllow:
		return false
	default:
		return o == callFailed || o == tooMany
	}
}

// consequence says for the log what the plugin does now.
func (p *failurePolicy) consequence(o outcome) string {
	if p.denies(o) {
		return fmt.Sprintf("requests that have no token are answered %d", p.status)
	}
	return "requests that have no token go on without one"
}

// failurePolicy reads the key failure. What is newer than the sample fails closed.
func (s section) failurePolicy(cached bool) failurePolicy {
	failure := s.object(keyFailure)
	policy := failurePolicy{
		status:      uint32(failure.integer(keyStatus)), //nolint:gosec // within the key's limits
		body:        []byte(failure.text(keyBody)),
		contentType: failure.text(keyContentType),
	}
	if !isHeaderValue(policy.contentType) {
		failure.wrong(keyContentType, wantHeaderValue)
	}
	switch {
	case failure.text(keyMode) == "allow":
		policy.mode = modeAllow
	case s.has(keyFailure) || cached:
		policy.mode = modeDeny
	}
	return policy
}
