package share

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// attemptState is where an attempt stands.
type attemptState int

const (
	looking attemptState = iota // the store has been asked
	waiting                     // another worker or gateway is calling the token service
	calling                     // this attempt is calling
	ended
)

// attempt is one Fetch.
//
//	looking ──▶ ended: the store has a token or a failure
//	   │  ▲
//	   │  └───▶ waiting: someone else holds the lease
//	   └──────▶ calling ──▶ ended: with the lease; or without it, when the store fails or the wait times out
type attempt struct {
	source  *Source
	query   token.Query
	done    func(token.Token, *token.Error)
	list    *list.List // of the Source that the attempt is in
	element *list.Element
	key     Key
	owner   uint64 // of the attempt's lease

	state      attemptState
	lookNumber int           // discards the results of all but the latest look
	nextLook   time.Duration // while waiting
	deadline   time.Duration // for looking and waiting; then it calls without a lease

	lease        Lease // needed by Save even if it was not granted; zero until the store has answered
	hasLease     bool
	leaseEnds    time.Duration
	callDeadline time.Duration
	fallback     *token.Token // what to serve if the call fails
	fallbackAt   time.Duration
}

// moveTo moves the attempt to a list; nil removes it from its list.
func (a *attempt) moveTo(to *list.List) {
	if a.list != nil {
		a.list.Remove(a.element)
	}
	if a.list = to; to != nil {
		a.element = to.PushBack(a)
	}
}

// mustExtend reports whether the lease could lapse before the call ends.
func (a *attempt) mustExtend() bool { return a.hasLease && a.leaseEnds < a.callDeadline }

// look asks the store for the token or, failing that, for the lease.
func (a *attempt) look(now time.Duration) {
	s := a.source
	a.state = looking
	a.lookNumber++
	number := a.lookNumber
	q := LookRequest{Owner: a.owner, Lease: s.Lease, Have: a.query.Have, IsRejected: a.query.IsRejected, Backoff: s.Backoff}
	s.store.Look(a.key, q, func(f LookResult, err error) {
		switch {
		case a.lookNumber != number:
		case a.state == looking:
			a.onLookResult(f, err)
		case a.state == calling && err == nil && f.Status == LeaseGranted:
			a.takeLease(f.Lease, now) // late, but everyone else is now waiting for this attempt
		}
	})
}

func (a *attempt) onLookResult(f LookResult, err error) {
	now := a.source.Clock.Monotonic()
	switch {
	case err != nil || f.Status == Uncacheable:
		a.call(now)
	case f.Status == TokenFound:
		f.Token.IsShared = true
		a.end(f.Token, nil)
	case f.Status == InBackoff:
		a.end(token.Token{}, &token.Error{Reason: f.Reason, RetryAfter: f.Wait, IsBackoff: true, Detail: peerFailure, Fallback: f.Fallback})
	case f.Status == LeaseGranted:
		a.takeLease(f.Lease, now)
		a.fallback, a.fallbackAt = f.Fallback, now
		a.call(now)
	case now >= a.deadline:
		a.lease = f.Lease
		a.call(now)
	default:
		a.state, a.nextLook = waiting, now+a.source.PollInterval
	}
}

// peerFailure describes a call that failed elsewhere. The log of whoever made that call has the reason.
const peerFailure = "failed when another worker or gateway called it"

func (a *attempt) takeLease(l Lease, now time.Duration) {
	a.lease, a.hasLease = l, true
	a.leaseEnds = now + a.source.Lease
}

// call fetches the token from the inner Source.
func (a *attempt) call(now time.Duration) {
	a.state, a.callDeadline = calling, now+a.source.FetchTimeout
	if !a.mustExtend() {
		a.moveTo(&a.source.calls)
	}
	a.source.inner.Fetch(a.query, a.onFetched)
}

// onFetched handles the inner Source's result.
func (a *attempt) onFetched(t token.Token, err *token.Error) {
	if a.state != calling {
		return
	}
	if err != nil {
		a.end(token.Token{}, a.fail(err))
		return
	}
	if t.ID == 0 && t.Lifetime > 0 {
		t.ID = token.NewID()
	}
	a.source.noteLifetime(t, nil)
	a.save(t)
	a.end(t, nil)
}

func (a *attempt) save(t token.Token) {
	s := a.source
	switch {
	case t.Lifetime > 0 && a.lease.Owner != 0:
		s.store.Save(a.key, a.lease, t, t.Lifetime-s.EarliestRenewal(t.Lifetime), ignore)
	case t.Lifetime <= 0 && a.hasLease:
		s.store.Fail(a.key, a.lease, Failure{Least: uncacheableFor, IsExact: true}, func(time.Duration, error) {})
	}
}

// uncacheableFor is how long everyone calls directly after getting a token that must not be cached.
const uncacheableFor = 30 * time.Second

// fail records the failure in the store. It returns the failure with the shared backoff if the store answers
// synchronously.
func (a *attempt) fail(err *token.Error) *token.Error {
	s := a.source
	if !a.hasLease {
		return err
	}
	failed := *err
	if t := a.fallback; t != nil && err.Fallback == nil {
		aged := *t
		aged.Age += s.Clock.Monotonic() - a.fallbackAt
		if aged.Age < aged.Lifetime {
			failed.Fallback = &aged
		}
	}
	if !err.Reason.IsShared() {
		s.store.Extend(a.key, a.lease, 0, ignore) // local to this gateway: release the lease so that others can try at once
		return &failed
	}
	f := Failure{Reason: err.Reason, Backoff: s.Backoff, Least: min(err.RetryAfter, token.MaxRetryAfter), IsExact: err.IsBackoff && err.RetryAfter > 0}
	s.store.Fail(a.key, a.lease, f, func(wait time.Duration, err error) {
		if err == nil && s.IsSynchronous {
			failed.RetryAfter, failed.IsBackoff = wait, true
		}
	})
	return &failed
}

func (a *attempt) end(t token.Token, err *token.Error) {
	a.state = ended
	a.moveTo(nil)
	a.done(t, err)
}

// tick does whatever is due and reports whether anything was.
func (a *attempt) tick(now time.Duration) bool {
	s := a.source
	switch {
	case a.state == waiting && now >= a.nextLook:
		a.look(now)
	case a.state == looking && now >= a.deadline:
		a.call(now)
	case a.state == calling && a.mustExtend() && now >= a.leaseEnds-s.Lease*2/3:
		a.leaseEnds = now + s.Lease
		s.store.Extend(a.key, a.lease, s.Lease, ignore)
	default:
		return false
	}
	return true
}
