package share

import (
	"time"

	"token-fetch/internal/token"
)

// Key identifies a token: whose configuration and which caller it belongs to. It is derived from secrets and is itself
// secret: stores derive from it both a record's address and its encryption key.
type Key [32]byte

// Store is what those who share tokens have in common. Each operation is atomic. done is called once, synchronously or
// later; a synchronous store costs the caller no extra callback. A store that never answers is given up on after
// Options.PeerTimeout. An error means that the operation either did nothing or has an unknown outcome.
type Store interface {
	// Look returns the first of these that applies:
	//
	//   - TokenFound: a token other than q.Have, whether or not it is due for renewal.
	//   - TokenFound: the token q.Have, if it is valid and not due for renewal; or someone else is renewing it; or a
	//     backoff forbids renewing it; or it was rejected too soon after another.
	//   - Uncacheable: the latest token must not be cached.
	//   - InBackoff: the latest call failed. The result has the reason and the time left.
	//   - LeaseHeld: someone else holds the lease, or q.Lease is 0.
	//   - LeaseGranted: the caller holds the lease for q.Lease.
	//
	// A rejected token is never found: it is the Fallback of InBackoff, LeaseHeld and LeaseGranted.
	// Look first marks q.Have as rejected if q says so, unless it is too soon after another rejection: each wait is
	// twice the previous one, from q.Backoff up to MaxBackoff, and is forgotten MaxBackoff after its end.
	Look(k Key, q LookRequest, done func(LookResult, error))
	// Save stores a token until it expires, ends the lease and clears failures. Without the lease it changes nothing if
	// someone else holds it, or if there is a token that was not rejected.
	Save(k Key, claim Claim, t token.Token, dueAfter time.Duration, done func(error))
	// Fail starts a backoff, passes its length to done and ends the lease. Backoffs grow like those of rejections. If
	// the caller's own token was refused, its rejected token is dropped. Without the lease it changes nothing.
	Fail(k Key, claim Claim, f Failure, done func(wait time.Duration, err error))
	// Extend makes the lease end the given time from now; 0 ends it at once. Without the lease it changes nothing.
	Extend(k Key, claim Claim, until time.Duration, done func(error))
}

// MaxBackoff is the longest wait after any number of failures, unless the token service asks for more.
const MaxBackoff = 30 * time.Second

// LookRequest is who looks, and for what.
type LookRequest struct {
	Owner      uint64        // of the lease, if one is granted; never 0
	Lease      time.Duration // how long to take the lease for; 0: don't take it
	Have       token.ID      // the token that the caller already has; 0: any token will do
	IsRejected bool          // the upstream has rejected Have
	Backoff    time.Duration // first wait after a rejection
}

// LookResult is the result of a Look.
type LookResult struct {
	Status LookStatus
	Token  token.Token   // if TokenFound, with its current age
	Reason token.Reason  // if InBackoff
	Wait   time.Duration // if InBackoff: until the next call is allowed
	// Fallback is the rejected token, if there is one and Status is not TokenFound.
	Fallback *token.Token
	Claim    Claim // if LeaseGranted or LeaseHeld
}

// LookStatus says which kind of result a Look has.
type LookStatus int

// The statuses.
const (
	TokenFound   LookStatus = iota
	InBackoff               // an earlier call has failed, and no call is allowed
	Uncacheable             // tokens must not be cached, so everyone calls directly, without a lease
	LeaseHeld               // someone else holds the lease, or none was asked for
	LeaseGranted            // the caller holds the lease from now on
)

// Claim identifies the Look that asked for the lease. If the lease was granted, the store knows it by its Owner.
type Claim struct {
	Owner  uint64        // zero: no Look has asked
	MadeAt time.Duration // by the store's clock
	SeenAt time.Duration // by the worker's clock, not earlier
}

// Failure is a failed call.
type Failure struct {
	Reason  token.Reason  // 0: the call succeeded, but the token must not be cached, so everyone calls directly
	Backoff time.Duration // first wait
	Least   time.Duration // minimum wait
	IsExact bool          // the wait is Least, whatever came before
}

// wait is the backoff after count previous consecutive failures.
func (f *Failure) wait(count int) time.Duration {
	if f.IsExact {
		return f.Least
	}
	return max(backoffAfter(f.Backoff, count), f.Least)
}

// backoffAfter is the wait after count previous ones in a row.
func backoffAfter(first time.Duration, count int) time.Duration {
	return min(first<<min(count, 20), MaxBackoff)
}
