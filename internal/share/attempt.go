package share

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// attemptState is where an attempt to get a token stands.
type attemptState int

const (
	looking attemptState = iota // the store has been asked
	waiting                     // another is calling the token service
	calling                     // this one is
	ended
)

// attempt is one fetch of a token.
//
//	looking ──▶ token or failure of another ──▶ ended
//	   │  ▲
//	   │  └───▶ waiting: another calls
//	   └──────▶ calling: with the lease, or alone when the store fails or the others take too long ──▶ ended
type attempt struct {
	source  *Source
	query   token.Query
	done    func(token.Token, *token.Error)
	list    *list.List // of the Source, in which it is
	element *list.Element
	key     Key
	owner   uint64 // of its lease

	state    attemptState
	number   int           // of the latest look: an earlier one's answer comes too late
	nextLook time.Duration // while waiting
	giveUp   time.Duration // when it is done with looking and waiting

	lease    Lease // also of one who could not have it, for Save; zero when the store has told nothing
	hasLease bool
	endsAt   time.Duration // of the lease
	callEnds time.Duration // at the latest
	standIn  *token.Token  // for when the call fails
	foundAt  time.Duration
}

// put moves the attempt to a list, or to none.
func (a *attempt) put(to *list.List) {
	if a.list != nil {
		a.list.Remove(a.element)
	}
	if a.list = to; to != nil {
		a.element = to.PushBack(a)
	}
}

// mustExtend reports whether the lease could end before the call.
func (a *attempt) mustExtend() bool { return a.hasLease && a.endsAt < a.callEnds }

// look asks the store for the token, or the lease to fetch it.
func (a *attempt) look(now time.Duration) {
	s := a.source
	a.state = looking
	a.number++
	number := a.number
	q := Question{Owner: a.owner, Lease: s.Lease, Have: a.query.Have, IsRejected: a.query.IsRejected, Backoff: s.Backoff}
	s.store.Look(a.key, q, func(f Found, err error) {
		switch {
		case a.number != number:
		case a.state == looking:
			a.looked(f, err)
		case a.state == calling && err == nil && f.Is == IsLeased:
			a.take(f.Lease, now) // late, but others leave the call to this one
		}
	})
}

func (a *attempt) looked(f Found, err error) {
	now := a.source.Clock.Monotonic()
	switch {
	case err != nil || f.Is == IsAlone:
		a.call(now)
	case f.Is == HasToken:
		f.Token.IsShared = true
		a.end(f.Token, nil)
	case f.Is == HasFailed:
		a.end(token.Token{}, &token.Error{Reason: f.Reason, RetryAfter: f.Wait, IsHeld: true, Detail: detailOfPeers, StandIn: f.StandIn})
	case f.Is == IsLeased:
		a.take(f.Lease, now)
		a.standIn, a.foundAt = f.StandIn, now
		a.call(now)
	case now >= a.giveUp:
		a.lease = f.Lease
		a.call(now)
	default:
		a.state, a.nextLook = waiting, now+a.source.Poll
	}
}

// detailOfPeers is what is said of a call that failed elsewhere, where the log says why.
const detailOfPeers = "failed when another worker or gateway called it"

func (a *attempt) take(l Lease, now time.Duration) {
	a.lease, a.hasLease = l, true
	a.endsAt = now + a.source.Lease
}

// call has the Source inside fetch the token.
func (a *attempt) call(now time.Duration) {
	a.state, a.callEnds = calling, now+a.source.Longest
	if !a.mustExtend() {
		a.put(&a.source.calls)
	}
	a.source.inside.Fetch(a.query, a.called)
}

// called takes the result of the Source inside.
func (a *attempt) called(t token.Token, err *token.Error) {
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
		s.store.Fail(a.key, a.lease, Failure{Least: aloneFor, IsExact: true}, func(time.Duration, error) {})
	}
}

// aloneFor is how long all call for themselves after an answer that may not be kept.
const aloneFor = 30 * time.Second

// fail tells the others of a failure, and returns it with the wait that holds for all, if the store knows that at once.
func (a *attempt) fail(err *token.Error) *token.Error {
	s := a.source
	if !a.hasLease {
		return err
	}
	failed := *err
	if t := a.standIn; t != nil && err.StandIn == nil {
		aged := *t
		aged.Age += s.Clock.Monotonic() - a.foundAt
		if aged.Age < aged.Lifetime {
			failed.StandIn = &aged
		}
	}
	if !err.Reason.IsShared() {
		s.store.Extend(a.key, a.lease, 0, ignore) // the others shall see for themselves, at once
		return &failed
	}
	f := Failure{Reason: err.Reason, Backoff: s.Backoff, Least: min(err.RetryAfter, token.MaxRetryAfter), IsExact: err.IsHeld && err.RetryAfter > 0}
	isTold := false
	s.store.Fail(a.key, a.lease, f, func(wait time.Duration, err error) {
		if err == nil && !isTold {
			failed.RetryAfter, failed.IsHeld = wait, true
		}
	})
	isTold = true
	return &failed
}

func (a *attempt) end(t token.Token, err *token.Error) {
	a.state = ended
	a.put(nil)
	a.done(t, err)
}

// tick does what is due, and reports whether anything was.
func (a *attempt) tick(now time.Duration) bool {
	s := a.source
	switch {
	case a.state == waiting && now >= a.nextLook:
		a.look(now)
	case a.state == looking && now >= a.giveUp:
		a.call(now)
	case a.state == calling && a.mustExtend() && now >= a.endsAt-s.Lease*2/3:
		a.endsAt = now + s.Lease
		s.store.Extend(a.key, a.lease, s.Lease, ignore)
	default:
		return false
	}
	return true
}
