package token

import "time"

// Error is why there is no token.
type Error struct {
	Reason Reason
	// RetryAfter is how long no call should be made, or will be made; 0: unknown. A Source passes on what the token
	// service asks for, a cache says how long it waits itself.
	RetryAfter time.Duration
	// IsHeld: nobody who shares the Source makes a call before RetryAfter is over, and one may be made then.
	IsHeld bool
	Status int // of the answer; 0 where there is none, or a good one without a token
	// IsUnauthorized: the answer is 400 with invalid_grant or invalid_token. A token that the call was made with may have been revoked.
	IsUnauthorized bool
	Detail         string // for the log: a verb phrase whose subject is the token service; no secret
	// StandIn is a token that an upstream has rejected, and that serves until there is a new one; nil: none is known.
	StandIn *Token
}

func (e *Error) Error() string { return e.Detail }

// MaxRetryAfter is the longest wait that a token service can ask for.
const MaxRetryAfter = 5 * time.Minute

// Reason is why there is no token. It alone decides whether a stale token may serve, what the request is answered, which
// counter moves, and what other workers and gateways are told.
type Reason uint8

// The zero Reason is none.
const (
	NoAnswer       Reason = iota + 1 // a timeout, a reset or no connection
	ServerError                      // 5xx; Envoy also says 503 or 504 when it has no connection, or no answer in time
	RateLimited                      // 429
	OtherStatus                      // any other that is not good: the credentials are wrong, the service has moved, ...
	BadAnswer                        // a good status, but successWhen does not hold, or the answer is too large
	NoToken                          // a good status, but no usable token
	NoCluster                        // no call: the gateway knows no such cluster
	NotSent                          // no call: the cluster has no healthy host, or the call could not be signed
	SubjectRefused                   // the caller's own token was refused, which is the caller's fault
	Missing                          // no call: the request lacks what the call refers to
	TooMany                          // no call: too many requests are waiting for one
	Internal                         // the plugin's own fault
)

// Outcome is what a Reason means for a request: a column of the failure table, and the response detail of a reply.
type Outcome string

// The outcomes of requests without a token.
const (
	OutcomeNoToken        Outcome = "no_token"
	OutcomeCallFailed     Outcome = "call_failed"
	OutcomeNoCluster      Outcome = "no_cluster"
	OutcomeMissing        Outcome = "missing_reference"
	OutcomeTooMany        Outcome = "too_many_waiting"
	OutcomeSubjectRefused Outcome = "subject_refused"
	OutcomeInternalError  Outcome = "internal_error"
)

// Detail is the response detail, which an access log shows (%RESPONSE_CODE_DETAILS%).
func (o Outcome) Detail() string { return "token_fetch." + string(o) }

// reasons is all that follows from a Reason.
var reasons = [...]struct {
	name    string // in metrics, and the word to other gateways
	outcome Outcome
	// isUnavailable: the token service can't answer, whoever calls, so that a stale token may serve. Otherwise this
	// caller's token is refused.
	isUnavailable bool
	isCounted     bool // as a failure of the token service
	isShared      bool // with other workers and gateways; the others find out for themselves
}{
	NoAnswer:       {"no_answer", OutcomeCallFailed, true, true, true},
	ServerError:    {"server_error", OutcomeCallFailed, true, true, true},
	RateLimited:    {"rate_limited", OutcomeCallFailed, true, true, true},
	OtherStatus:    {"other_status", OutcomeCallFailed, false, true, true},
	BadAnswer:      {"bad_answer", OutcomeCallFailed, false, true, true},
	NoToken:        {"no_token", OutcomeNoToken, false, true, true},
	NoCluster:      {"no_cluster", OutcomeNoCluster, true, true, false},
	NotSent:        {"not_sent", OutcomeCallFailed, true, true, false},
	SubjectRefused: {"subject_refused", OutcomeSubjectRefused, false, false, true},
	Missing:        {"missing_reference", OutcomeMissing, false, false, true},
	TooMany:        {"too_many", OutcomeTooMany, true, false, false},
	Internal:       {"internal_error", OutcomeInternalError, false, false, false},
}

// Reasons is their number, the zero one included.
const Reasons = len(reasons)

// String is the reason's name in metrics and in the words to other gateways.
func (r Reason) String() string { return reasons[r].name }

// Outcome is what the reason means for a request.
func (r Reason) Outcome() Outcome { return reasons[r].outcome }

// IsUnavailable reports whether the token service can't answer, whoever calls.
func (r Reason) IsUnavailable() bool { return reasons[r].isUnavailable }

// IsCounted reports whether it is counted as a failure of the token service.
func (r Reason) IsCounted() bool { return reasons[r].isCounted }

// IsShared reports whether other workers and gateways are told.
func (r Reason) IsShared() bool { return reasons[r].isShared }

// SharedReason returns the reason that other workers or gateways were told by its name. ok is false for any other text.
func SharedReason(name string) (r Reason, ok bool) {
	for r := range Reason(Reasons) {
		if r.IsShared() && r.String() == name {
			return r, true
		}
	}
	return 0, false
}
