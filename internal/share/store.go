package share

import (
	"time"

	"token-fetch/internal/token"
)

// Key is whose token it is: of a configuration, and of a caller of it. It is made of secrets, and itself one: a store
// derives from it by what it finds a record, and what it seals it with.
type Key [32]byte

// Store is what those who share tokens have in common. What it does, it does in one step that nothing comes between. Each
// done is told once, at once or later: a store that answers at once costs nobody a turn. One that never answers is given
// up after Options.Wait. An error means that the store did nothing, or nobody knows what it did.
type Store interface {
	// Look returns what there is, in this order:
	//
	//  1. A token that the asker has not got yet, whether it is due for renewal or not.
	//  2. The token that the asker has, as long as it is valid and not due, or is being renewed by another, or may not be
	//     renewed because of a failure, or was rejected too soon after another.
	//  3. Why nobody may call, and for how long.
	//  4. That another has the lease.
	//  5. The lease, which the asker has from then on for q.Lease.
	//
	// A token that the upstream has rejected is none of these, but comes along with 3 to 5. What the asker says is
	// rejected is marked before, unless one was shortly before: each wait is twice the one before, from q.Backoff up to
	// MaxBackoff, and forgotten MaxBackoff after its end.
	Look(k Key, q Question, done func(Found, error))
	// Save keeps a token until its end, ends the lease and forgets failures. By one who has no lease it changes nothing if
	// another has, or if there is a token that was not rejected.
	Save(k Key, l Lease, t token.Token, dueAfter time.Duration, done func(error))
	// Fail says that nobody may call for a while, for how long it tells done, and ends the lease. Waits grow as those of
	// rejections. A caller whose own token was refused has no rejected token any more. By one who has no lease it changes
	// nothing.
	Fail(k Key, l Lease, f Failure, done func(wait time.Duration, err error))
	// Extend has the lease end so long from now; at 0 it ends at once. By one who has no lease it changes nothing.
	Extend(k Key, l Lease, until time.Duration, done func(error))
}

// MaxBackoff is the longest wait after any number of failures, unless the token service asks for more.
const MaxBackoff = 30 * time.Second

// Question is who looks, and for what.
type Question struct {
	Owner      uint64        // of the lease, should there be one; never 0
	Lease      time.Duration // for how long; 0: no lease is wanted, 4 in the place of 5
	Have       token.ID      // the token that is to be replaced; 0: any token will do
	IsRejected bool          // by the upstream
	Backoff    time.Duration // the first wait after a rejection
}

// Found is what a Look has found.
type Found struct {
	Is     Finding
	Token  token.Token   // of HasToken; its Age is what it is now
	Reason token.Reason  // of HasFailed
	Wait   time.Duration // of HasFailed: for how long nobody may call
	// StandIn is the rejected token, but with HasToken, if there is one.
	StandIn *token.Token
	Lease   Lease // of IsLeased and IsBusy: for Save
}

// Finding is what there is in a store.
type Finding int

// The findings.
const (
	HasToken  Finding = iota
	HasFailed         // an earlier call has failed, and nobody may call
	IsAlone           // tokens may not be kept, so that each calls for itself, without a lease
	IsBusy            // another has the lease
	IsLeased          // the asker has it now
)

// Lease is the right to call the token service, or the memory of having looked for it.
type Lease struct {
	Owner   uint64
	TakenAt time.Duration // by the store's clock
	SeenAt  time.Duration // by that of the worker, not before
}

// Failure is a call that failed.
type Failure struct {
	Reason  token.Reason  // 0: there is a token, but it may not be kept, so that each calls for itself
	Backoff time.Duration // the first wait
	Least   time.Duration // how long the wait is at least
	IsExact bool          // the wait is Least, whatever was before
}

// wait is how long it is waited after that many failures in a row before.
func (f *Failure) wait(count int) time.Duration {
	if f.IsExact {
		return f.Least
	}
	return max(backoff(f.Backoff, count), f.Least)
}

// backoff is the wait after that many in a row before.
func backoff(first time.Duration, count int) time.Duration {
	return min(first<<min(count, 20), MaxBackoff)
}
