package fleet

import (
	"container/list"
	"errors"
	"strings"
	"time"

	"token-fetch/internal/token"
)

// attemptState is where an attempt to get a token stands.
type attemptState int

const (
	looking attemptState = iota // Redis has been asked
	waiting                     // another gateway is calling the token service
	calling                     // this one is
	ended
)

// attempt is one fetch of a token.
//
//	looking ──▶ token or failure of another gateway ──▶ ended
//	   │  ▲
//	   │  └───▶ waiting: another gateway calls
//	   └──────▶ calling: with the lease, or alone when Redis fails or the others take too long ──▶ ended
type attempt struct {
	fetcher *Fetcher
	caller  token.Caller
	done    func(token.Token, *token.Error)
	element *list.Element // among the Fetcher's open ones
	names   []string
	owner   string // of its lease

	state    attemptState
	number   int           // of the latest look: an earlier one's reply comes too late
	lookedAt time.Duration // when that was sent: what it says of the time that is left counts from then
	nextLook time.Duration // while waiting
	giveUp   time.Duration // when it is done with looking and waiting

	hasLease   bool
	extendAt   time.Duration
	leasedAt   time.Duration // Redis' time, in which the token's end is written
	sentAt     time.Duration // of the call; on this gateway's clock, as are all but leasedAt
	spare      spare
	hasCleared bool // it has removed a record that nobody could read
}

// spare is the fleet's token while it is due for renewal, or rejected: it serves on when the call brings none.
type spare struct {
	token      token.Token
	isRejected bool
	until      time.Duration // on this gateway's clock; zero: there is none
}

var errRubbish = errors.New("has a record that is not one of token-fetch, or not sealed with this encryptionKey")

// look asks Redis for the token, or the lease to fetch it.
func (a *attempt) look(now time.Duration) {
	f := a.fetcher
	a.state, a.lookedAt = looking, now
	a.number++
	number := a.number
	args := []string{a.owner, millis(leaseOf(f.Policy.Timeout)), f.takeRejection(a.caller), millis(f.Policy.Backoff)}
	err := f.Redis.Eval(scriptLook, a.names, args, func(reply string, err error) {
		if a.state == looking && a.number == number {
			a.looked(reply, err)
		}
	})
	if err != nil {
		f.heard(err)
		a.call(now, false)
	}
}

// leaseOf is how long a lease is good if it is not extended: short, so that the fleet does not wait for a gateway that has
// died, and long enough for a worker that is busy.
func leaseOf(timeout time.Duration) time.Duration { return max(timeout/2, 200*time.Millisecond) }

func (a *attempt) looked(reply string, err error) {
	f, now := a.fetcher, a.fetcher.Clock.Monotonic()
	found, isReply := parseReply(reply)
	if err == nil && !isReply {
		err = errRubbish
	}
	f.heard(err)
	switch {
	case err != nil:
		a.call(now, false)
	case found.word == replyToken:
		a.found(now, found)
	case found.word == replyLease:
		a.leasedAt, a.spare = found.time, a.spareOf(found.text)
		a.call(now, true)
	case found.word == replyFailed:
		a.failed(now, found)
	case now >= a.giveUp:
		a.leasedAt = found.time
		a.call(now, false)
	default:
		a.state, a.nextLook = waiting, now+pollPeriod
	}
}

// found takes a token that a gateway has stored.
func (a *attempt) found(now time.Duration, found reply) {
	f := a.fetcher
	grant, ok := f.read(found.text, a.names[0])
	ok = ok && !grant.isRejected // the scripts give none
	switch hasEnded := found.time <= now-a.lookedAt; {
	case ok && !hasEnded:
		a.end(grant.aged(found.time), nil)
		return
	case ok && now < a.giveUp: // it may have ended on its way here
		a.state, a.nextLook = waiting, now+pollPeriod
		return
	case ok:
		a.call(now, false)
		return
	}
	f.Log.RedisFailed(errRubbish)
	if a.hasCleared {
		a.call(now, false)
		return
	}
	a.hasCleared = true
	f.tell(scriptClear, a.names, found.text)
	a.look(now)
}

// spareOf takes the token that comes with a lease or a failure, where there is one.
func (a *attempt) spareOf(text string) spare {
	left, record, found := parseTime(text)
	grant, ok := a.fetcher.read(record, a.names[0])
	if !found || !ok {
		return spare{}
	}
	return spare{grant.aged(left), grant.isRejected, a.lookedAt + left}
}

// failed takes what another gateway met.
func (a *attempt) failed(now time.Duration, found reply) {
	word, text, _ := strings.Cut(found.text, " ")
	reason, ok := token.SharedReason(word)
	// Or the service's tokens can't be kept: each gateway calls for itself. Nor has a gateway of the fleet written of a wait
	// that is longer than all.
	if !ok || found.time > token.MaxRetryAfter {
		a.call(now, false)
		return
	}
	a.spare = a.spareOf(text)
	a.endWith(token.Token{}, &token.Error{Reason: reason, RetryAfter: found.time, Detail: "failed when another gateway called it"})
}

// call has the Fetcher behind make the call.
func (a *attempt) call(now time.Duration, hasLease bool) {
	a.state, a.hasLease, a.sentAt = calling, hasLease, now
	a.extendAt = now + leaseOf(a.fetcher.Policy.Timeout)/3
	a.fetcher.Calls.Fetch(token.Query{Caller: a.caller}, a.called)
}

// called takes the result of the call of this gateway.
func (a *attempt) called(t token.Token, err *token.Error) {
	if a.state != calling {
		return
	}
	if err == nil && t.Lifetime > 0 && t.ID == 0 {
		t.ID = token.NewID()
	}
	a.tellFleet(t, err)
	a.endWith(t, err)
}

// endWith ends with a result, or with the spare token where there is none.
func (a *attempt) endWith(t token.Token, err *token.Error) {
	switch {
	case err == nil || a.fetcher.Clock.Monotonic() >= a.spare.until:
	case a.spare.isRejected:
		failed := *err
		failed.StandIn = &a.spare.token
		err = &failed
	default:
		t, err = a.spare.token, nil
	}
	a.end(t, err)
}

func (a *attempt) tellFleet(t token.Token, err *token.Error) {
	f := a.fetcher
	switch {
	case err != nil && a.hasLease && err.Reason.IsShared():
		f.tell(scriptFail, a.names, a.owner, err.Reason.String(), millis(f.Policy.Backoff), millis(min(err.RetryAfter, token.MaxRetryAfter)))
	case err != nil && a.hasLease:
		f.tell(scriptExtend, a.names, a.owner, "1") // the others shall see for themselves, at once
	case err != nil:
	case t.Lifetime <= 0 && a.hasLease:
		f.tell(scriptFail, a.names, a.owner, wordAlone, millis(aloneFor), "0")
	case t.Lifetime > 0 && a.leasedAt > 0:
		ends := a.leasedAt + t.Lifetime
		due := ends - f.Policy.RefreshBefore(t.Lifetime)
		f.tell(scriptStore, a.names, a.owner, millis(ends), millis(due), encode(t, a.names[0], f.Sealer))
	}
}

// aloneFor is how long the gateways call for themselves after an answer that must not be kept.
const aloneFor = 30 * time.Second

func (a *attempt) end(t token.Token, err *token.Error) {
	a.state = ended
	a.fetcher.open.Remove(a.element)
	a.done(t, err)
}

// callGrace is how much later than its timeout a call is given up that the host has let go without a word.
const callGrace = time.Second

// tick does what is due, and reports whether anything was.
func (a *attempt) tick(now time.Duration) bool {
	switch {
	case a.state == waiting && now >= a.nextLook:
		a.look(now)
	case a.state == looking && now >= a.giveUp:
		a.fetcher.Log.RedisFailed(errSlow)
		a.call(now, false)
	case a.state == calling && now >= a.sentAt+a.fetcher.Policy.Timeout+callGrace:
		a.called(token.Token{}, &token.Error{Reason: token.NoAnswer, Detail: "got no answer in time"})
	case a.state == calling && a.hasLease && now >= a.extendAt:
		lease := leaseOf(a.fetcher.Policy.Timeout)
		a.extendAt = now + lease/3
		a.fetcher.tell(scriptExtend, a.names, a.owner, millis(lease))
	default:
		return false
	}
	return true
}

var errSlow = errors.New("did not answer in time")
