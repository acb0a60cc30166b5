package share

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// fetchState is where a fetch stands.
type fetchState int

const (
	looking fetchState = iota // the store has been asked
	waiting                   // another worker or gateway is calling the token service
	calling                   // the inner Source is fetching
	ended
)

// fetch is one Fetch.
//
//	looking ──▶ ended: the store has a token or a failure
//	   │  ▲
//	   │  └───▶ waiting: someone else holds the lease
//	   └──────▶ calling ──▶ ended: with the lease; or without it, when the store fails or the wait times out
type fetch struct {
	source  *Source
	query   token.Query
	done    func(token.Token, *token.Error)
	list    *list.List // of the Source that the fetch is in
	element *list.Element
	key     Key
	owner   uint64 // of its lease

	state      fetchState
	lookNumber int           // discards the results of all but the latest look
	nextLook   time.Duration // while waiting
	deadline   time.Duration // for looking and waiting; then it calls without a lease

	claim        Claim // from the look that led to the call; zero: it had none, and nothing is saved
	hasLease     bool
	leaseEnds    time.Duration
	callDeadline time.Duration
	fallback     *token.Token // what to serve if the call fails
	fallbackAt   time.Duration
}

// moveTo moves the fetch to a list; nil removes it from its list.
func (f *fetch) moveTo(to *list.List) {
	if f.list != nil {
		f.list.Remove(f.element)
	}
	if f.list = to; to != nil {
		f.element = to.PushBack(f)
	}
}

// mustExtend reports whether the lease could lapse before the call ends.
func (f *fetch) mustExtend() bool { return f.hasLease && f.leaseEnds < f.callDeadline }

// look asks the store for the token or, failing that, for the lease.
func (f *fetch) look(now time.Duration) {
	s := f.source
	f.state = looking
	f.lookNumber++
	number := f.lookNumber
	q := LookRequest{Owner: f.owner, Lease: s.Lease, Have: f.query.Have, IsRejected: f.query.IsRejected, Backoff: s.Backoff}
	s.store.Look(f.key, q, func(found LookResult, err error) {
		switch {
		case f.lookNumber != number:
		case f.state == looking:
			f.onLookResult(found, err)
		case f.state == calling && err == nil && found.Status == LeaseGranted:
			f.takeLease(found.Claim, now) // late, but everyone else is now waiting for this fetch
		}
	})
}

func (f *fetch) onLookResult(found LookResult, err error) {
	now := f.source.Clock.Monotonic()
	switch {
	case err != nil || found.Status == Uncacheable:
		f.call(now)
	case found.Status == TokenFound:
		found.Token.IsShared = true
		f.end(found.Token, nil)
	case found.Status == InBackoff:
		f.end(token.Token{}, &token.Error{Reason: found.Reason, RetryAfter: found.Wait, IsBackoff: true, Detail: peerFailure, Fallback: found.Fallback})
	case found.Status == LeaseGranted:
		f.takeLease(found.Claim, now)
		f.fallback, f.fallbackAt = found.Fallback, now
		f.call(now)
	case now >= f.deadline:
		f.claim = found.Claim
		f.call(now)
	default:
		f.state, f.nextLook = waiting, now+f.source.PollInterval
	}
}

// peerFailure describes a call that failed elsewhere. The log of whoever made that call has the reason.
const peerFailure = "failed when another worker or gateway called it"

func (f *fetch) takeLease(claim Claim, now time.Duration) {
	f.claim, f.hasLease = claim, true
	f.leaseEnds = now + f.source.Lease
}

// call fetches the token from the inner Source.
func (f *fetch) call(now time.Duration) {
	f.state, f.callDeadline = calling, now+f.source.FetchTimeout
	if !f.mustExtend() {
		f.moveTo(&f.source.calls)
	}
	f.source.inner.Fetch(f.query, f.onFetched)
}

// onFetched handles the inner Source's result.
func (f *fetch) onFetched(t token.Token, err *token.Error) {
	if f.state != calling {
		return
	}
	if err != nil {
		f.end(token.Token{}, f.fail(err))
		return
	}
	if t.ID == 0 && t.Lifetime > 0 {
		t.ID = token.NewID()
	}
	f.source.noteLifetime(t, nil)
	f.save(t)
	f.end(t, nil)
}

func (f *fetch) save(t token.Token) {
	s := f.source
	switch {
	case t.Lifetime > 0 && f.claim.Owner != 0:
		s.store.Save(f.key, f.claim, t, t.Lifetime-s.EarliestRenewal(t.Lifetime), ignore)
	case t.Lifetime <= 0 && f.hasLease:
		s.store.Fail(f.key, f.claim, Failure{Least: uncacheableFor, IsExact: true}, func(time.Duration, error) {})
	}
}

// uncacheableFor is how long everyone calls directly after getting a token that must not be cached.
const uncacheableFor = 30 * time.Second

// fail records the failure in the store. It returns the failure with the shared backoff if the store answers
// synchronously.
func (f *fetch) fail(err *token.Error) *token.Error {
	s := f.source
	if !f.hasLease {
		return err
	}
	failed := *err
	if t := f.fallback; t != nil && err.Fallback == nil {
		aged := *t
		aged.Age += s.Clock.Monotonic() - f.fallbackAt
		if aged.Age < aged.Lifetime {
			failed.Fallback = &aged
		}
	}
	if !err.Reason.IsShared() {
		s.store.Extend(f.key, f.claim, 0, ignore) // local to this gateway: release the lease so that others can try at once
		return &failed
	}
	failure := Failure{Reason: err.Reason, Backoff: s.Backoff, Least: min(err.RetryAfter, token.MaxRetryAfter), IsExact: err.IsBackoff && err.RetryAfter > 0}
	s.store.Fail(f.key, f.claim, failure, func(wait time.Duration, err error) {
		if err == nil && s.IsSynchronous {
			failed.RetryAfter, failed.IsBackoff = wait, true
		}
	})
	return &failed
}

func (f *fetch) end(t token.Token, err *token.Error) {
	f.state = ended
	f.moveTo(nil)
	f.done(t, err)
}

// tick does whatever is due and reports whether anything was.
func (f *fetch) tick(now time.Duration) bool {
	s := f.source
	switch {
	case f.state == waiting && now >= f.nextLook:
		f.look(now)
	case f.state == looking && now >= f.deadline:
		f.call(now)
	case f.state == calling && f.mustExtend() && now >= f.leaseEnds-s.Lease*2/3:
		f.leaseEnds = now + s.Lease
		s.store.Extend(f.key, f.claim, s.Lease, ignore)
	default:
		return false
	}
	return true
}
