package main

import "fmt"

// outcome is how a token call ended.
type outcome int

const (
	gotToken      outcome = iota
	noToken               // answered as it should, but without a usable token
	callFailed            // another status, a timeout or a reset
	noCluster             // the gateway knows no such cluster
	tooMany               // not asked: maxWaiting requests wait for the call already
	internalError         // the plugin's own fault
)

// String is the outcome's name in the details of a denied request, where an
// access log shows it (%RESPONSE_CODE_DETAILS%).
func (o outcome) String() string {
	return [...]string{"got_token", "no_token", "call_failed", "no_cluster", "too_many_waiting", "internal_error"}[o]
}

// failure is an outcome without a token, and for the log why. The zero value is no failure.
type failure struct {
	outcome outcome
	reason  string
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

// denies tells whether the request is answered with the policy's reply; otherwise
// it goes on upstream without a token.
func (p *failurePolicy) denies(o outcome) bool {
	switch {
	case o == internalError || p.mode == modeDeny:
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
		status:      uint32(failure.integer(keyStatus)),
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
