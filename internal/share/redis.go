package share

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/token"
)

// Redis is the Store of the gateways of a fleet.
type Redis struct {
	Scripts Scripts
	Clock   token.Clock
	Prefix  string  // of all keys
	Sealer  *Sealer // nil: tokens are kept as they are
	Log     Log
	// Values of each token; the first is the token itself, and IsHeaderValue reports whether a header can carry one: without
	// a key to seal them with, anybody who can write to Redis may have made a record.
	Values        int
	IsHeaderValue func(value string) bool
}

var _ Store = (*Redis)(nil)

// Scripts are run by Redis.
type Scripts interface {
	// Eval runs a Lua script. done is told once, in a callback of the host's root context, unless Eval returns an
	// error. It may be told late, or never.
	Eval(script string, keys, args []string, done func(reply string, err error)) error
}

// Log is told what an operator should know. It sums up.
type Log interface {
	RedisFailed(err error)
	RedisWorks()
}

var errRubbish = errors.New("has a record that is not one of token-fetch, or not sealed with this encryptionKey")

// Look is part of Store, like the others below.
func (r *Redis) Look(k Key, q Question, done func(Found, error)) { r.look(k, q, done, true) }

func (r *Redis) look(k Key, q Question, done func(Found, error), mayClear bool) {
	lookedAt := r.Clock.Monotonic() // what is said of the time that is left counts from then
	args := []string{formatID(q.Owner), millis(q.Lease), "", "", millis(q.Backoff)}
	if q.Have != 0 {
		args[2] = formatID(uint64(q.Have))
	}
	if q.IsRejected {
		args[3] = "1"
	}
	r.eval(scriptLook, k, args, func(text string, err error) {
		if err != nil {
			done(Found{}, err)
			return
		}
		f, ok := r.found(k, q, text, lookedAt)
		switch {
		case ok:
			done(f, nil)
		case mayClear && strings.HasPrefix(text, replyToken):
			r.Log.RedisFailed(errRubbish)
			_, record, _ := parseTime(strings.TrimPrefix(text, replyToken+" "))
			r.eval(scriptClear, k, []string{record}, func(string, error) {})
			r.look(k, q, done, false)
		default:
			r.Log.RedisFailed(errRubbish)
			done(Found{}, errRubbish)
		}
	})
}

// found reads the reply of scriptLook. ok is false for one that is none, or has no token that can be used.
func (r *Redis) found(k Key, q Question, text string, lookedAt time.Duration) (f Found, ok bool) {
	word, rest, _ := strings.Cut(text, " ")
	at, rest, ok := parseTime(rest)
	now := r.Clock.Monotonic()
	late := now - lookedAt
	switch {
	case !ok:
		return f, false
	case word == replyToken:
		t, ok := r.read(rest, k)
		if t = aged(t, at-late); ok && t.Age >= t.Lifetime {
			return Found{Is: IsBusy}, true // it may have ended on its way here
		}
		return Found{Is: HasToken, Token: t}, ok
	case word == replyFailed:
		name, rest, _ := strings.Cut(rest, " ")
		reason, isReason := token.SharedReason(name)
		// Nobody of the fleet has written of a wait that is longer than all.
		if !isReason || at > token.MaxRetryAfter {
			return Found{Is: IsAlone}, true
		}
		return Found{Is: HasFailed, Reason: reason, Wait: at, StandIn: r.standIn(rest, k, late)}, true
	case word == replyLease || word == replyBusy:
		f.Is = map[string]Finding{replyLease: IsLeased, replyBusy: IsBusy}[word]
		f.Lease = Lease{Owner: q.Owner, TakenAt: at, SeenAt: now}
		f.StandIn = r.standIn(rest, k, late)
		return f, true
	default:
		return f, false
	}
}

// aged is a token of which so much is left.
func aged(t token.Token, left time.Duration) token.Token {
	t.Age = t.Lifetime - min(left, t.Lifetime) // Redis' time to live is not sealed
	return t
}

// standIn reads the rejected token that comes with another reply, if there is one.
func (r *Redis) standIn(text string, k Key, late time.Duration) *token.Token {
	left, record, _ := parseTime(text)
	record, isRejected := strings.CutPrefix(record, rejectedMark)
	t, ok := r.read(record, k)
	if t = aged(t, left-late); !ok || !isRejected || t.Age >= t.Lifetime {
		return nil
	}
	return &t
}

// Save keeps a token. Its end is told by Redis' clock, of which the lease knows: a Save that is held up must not make it
// live longer.
func (r *Redis) Save(k Key, l Lease, t token.Token, dueAfter time.Duration, done func(error)) {
	issued := l.TakenAt + (r.Clock.Monotonic() - l.SeenAt) - t.Age
	args := []string{formatID(l.Owner), millis(issued + t.Lifetime), millis(issued + dueAfter), r.write(t, k)}
	r.eval(scriptSave, k, args, func(_ string, err error) { done(err) })
}

// Fail keeps others from calling.
func (r *Redis) Fail(k Key, l Lease, f Failure, done func(time.Duration, error)) {
	word, isExact := wordAlone, ""
	if f.Reason != 0 {
		word = f.Reason.String()
	}
	if f.IsExact {
		isExact = "1"
	}
	args := []string{formatID(l.Owner), word, millis(f.Backoff), millis(f.Least), isExact}
	r.eval(scriptFail, k, args, func(text string, err error) {
		wait, _, ok := parseTime(text + " ")
		if err == nil && !ok {
			err = errRubbish
		}
		done(wait, err)
	})
}

// Extend keeps the lease, or gives it back.
func (r *Redis) Extend(k Key, l Lease, until time.Duration, done func(error)) {
	r.eval(scriptExtend, k, []string{formatID(l.Owner), millis(until)}, func(_ string, err error) { done(err) })
}

// wordAlone says that tokens can't be kept, so that each gateway calls for itself.
const wordAlone = "alone"

func (r *Redis) eval(script string, k Key, args []string, done func(reply string, err error)) {
	heard := func(reply string, err error) {
		if err != nil {
			r.Log.RedisFailed(err)
		} else {
			r.Log.RedisWorks()
		}
		done(reply, err)
	}
	if err := r.Scripts.Eval(script, r.names(k), args, heard); err != nil {
		heard("", err)
	}
}

// keysOfToken is how many keys the scripts have for each token.
const keysOfToken = 7

// version is that of the records and scripts. Gateways with another one, during an upgrade, have keys of their own.
const version = "3"

// names are the keys of a token. They are hashes, as they are made of secrets and of callers' tokens. What is in braces has a
// cluster keep them in one slot.
func (r *Redis) names(k Key) []string {
	hash := sha256.Sum256(append([]byte(version), k[:]...))
	common := r.Prefix + "{" + hex.EncodeToString(hash[:]) + "}:"
	names := make([]string, keysOfToken)
	for i := range names {
		names[i] = common + strconv.Itoa(i+1)
	}
	return names
}

// What scriptLook returns: a word, a time in milliseconds, and a text.
const (
	replyToken  = "token"  // the time that its record has left; the record
	replyLease  = "lease"  // Redis' time
	replyFailed = "failed" // how long nobody may call; the word for why
	replyBusy   = "busy"   // Redis' time
)

// parseTime takes the milliseconds with which a text begins.
func parseTime(text string) (at time.Duration, rest string, ok bool) {
	number, rest, found := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(number, 10, 64)
	const most = 1 << 43 // milliseconds since 1970, for some more centuries; far from an overflow as a Duration
	if !found || err != nil || ms < 0 || ms > most {
		return 0, "", false
	}
	return time.Duration(ms) * time.Millisecond, rest, true
}

// millis is how a time is written for a script; nothing that lives is written as 0.
func millis(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}
