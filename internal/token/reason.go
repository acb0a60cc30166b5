package token

import "time"

// Error says why there is no token.
type Error struct {
	Reason Reason
	// RetryAfter is how long not to call again; 0: unknown. A Source passes on what the token service asks for, a cache
	// reports its own backoff.
	RetryAfter time.Duration
	// IsBackoff: RetryAfter is the backoff of everyone who shares the Source. No call is made until it is over; one may
	// be made then.
	IsBackoff bool
	Status    int // of the response; 0 if there is none, or if its status is good but it has no token
	// IsUnauthorized: the response is 400 with invalid_grant or invalid_token, so the token that the call was made with
	// may have been revoked.
	IsUnauthorized bool
	Detail         string // for the log: a verb phrase whose subject is the token service, without secrets
	// Fallback is a token that an upstream has rejected, but that serves until there is a new one; nil: none.
	Fallback *Token
}

func (e *Error) Error() string { return e.Detail }

// MaxRetryAfter is the longest wait that a token service can ask for.
const MaxRetryAfter = 5 * time.Minute

// Reason is why there is no token. It alone decides whether a stale token may serve, how the request is answered, which
// counter is incremented, and what other workers and gateways learn.
type Reason uint8

// The zero Reason means none.
const (
	NoAnswer       Reason = iota + 1 // timeout, reset or no connection
	ServerError                      // 5xx, including Envoy's own 503 and 504: no connection, or timeout
	RateLimited                      // 429
	OtherStatus                      // any other error status: wrong credentials, service moved, ...
	BadAnswer                        // good status, but successWhen does not hold or the body is too large
	NoToken                          // good status, but no usable token
	NoCluster                        // no call: the gateway does not know the cluster
	NotSent                          // no call: the cluster has no healthy host, or signing failed
	SubjectRefused                   // the caller's own token was refused: the caller's fault
	Missing                          // no call: the request lacks something that the call refers to
	TooMany                          // no call: too many requests are already waiting
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

// Detail is the response detail for access logs (%RESPONSE_CODE_DETAILS%).
func (o Outcome) Detail() string { return "token_fetch." + string(o) }

// reasons defines everything that follows from a Reason.
var reasons = [...]struct {
	name    string // in metrics and in Redis
	outcome Outcome
	// isUnavailable: the token service can't answer anyone, so a stale token may serve. Otherwise it refuses this
	// caller.
	isUnavailable bool
	isCounted     bool // as a failure of the token service
	isShared      bool // with other workers and gateways; they find out the rest for themselves
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

// NumReasons is the number of Reasons, including the zero one.
const NumReasons = len(reasons)

// String is the name in metrics and in Redis.
func (r Reason) String() string { return reasons[r].name }

// Outcome is what the reason means for a request.
func (r Reason) Outcome() Outcome { return reasons[r].outcome }

// IsUnavailable reports whether the token service can't answer anyone.
func (r Reason) IsUnavailable() bool { return reasons[r].isUnavailable }

// IsCounted reports whether this is counted as a failure of the token service.
func (r Reason) IsCounted() bool { return reasons[r].isCounted }

// IsShared reports whether other workers and gateways learn of this.
func (r Reason) IsShared() bool { return reasons[r].isShared }

// SharedReason returns the shared reason with that name, as another worker or gateway wrote it.
func SharedReason(name string) (r Reason, ok bool) {
	for r := range Reason(NumReasons) {
		if r.IsShared() && r.String() == name {
			return r, true
		}
	}
	return 0, false
}
