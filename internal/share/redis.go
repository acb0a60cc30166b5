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

// Redis is the Store that gateways share.
type Redis struct {
	Scripts Scripts
	Clock   token.Clock
	Prefix  string  // of all keys
	Sealer  *Sealer // nil: tokens are stored unencrypted
	Log     Log
	// Values is how many values a token has; the first is the token itself. IsHeaderValue reports whether a value is
	// legal in a header: without an encryption key, anyone who can write to Redis can forge a record.
	Values        int
	IsHeaderValue func(value string) bool
}

var _ Store = (*Redis)(nil)

// Scripts runs scripts on Redis.
type Scripts interface {
	// Eval runs a Lua script. done is called at most once, in a callback of the host's root context, and not at all if
	// Eval returns an error. It may be called late.
	Eval(script string, keys, args []string, done func(reply string, err error)) error
}

// Log reports Redis's health to the operator, aggregated.
type Log interface {
	RedisFailed(err error)
	RedisRecovered()
}

var errBadRecord = errors.New("has a record that token-fetch did not write, or not with this encryptionKey")

// Look implements Store, like the methods below.
func (r *Redis) Look(k Key, q LookRequest, done func(LookResult, error)) { r.look(k, q, done, true) }

func (r *Redis) look(k Key, q LookRequest, done func(LookResult, error), mayClear bool) {
	lookedAt := r.Clock.Monotonic() // the reply's remaining times count from here
	args := []string{formatID(q.Owner), millis(q.Lease), "", "", millis(q.Backoff)}
	if q.Have != 0 {
		args[2] = formatID(uint64(q.Have))
	}
	if q.IsRejected {
		args[3] = "1"
	}
	r.eval(scriptLook, k, args, func(text string, err error) {
		if err != nil {
			done(LookResult{}, err)
			return
		}
		found, ok := r.parseLook(k, q, text, lookedAt)
		switch {
		case ok:
			done(found, nil)
		case mayClear && strings.HasPrefix(text, replyToken):
			r.Log.RedisFailed(errBadRecord)
			_, record, _ := parseTime(strings.TrimPrefix(text, replyToken+" "))
			r.eval(scriptClear, k, []string{record}, func(string, error) {})
			r.look(k, q, done, false)
		default:
			r.Log.RedisFailed(errBadRecord)
			done(LookResult{}, errBadRecord)
		}
	})
}

// parseLook parses the reply of scriptLook. ok is false if it is malformed or its token is unusable.
func (r *Redis) parseLook(k Key, q LookRequest, text string, lookedAt time.Duration) (found LookResult, ok bool) {
	word, rest, _ := strings.Cut(text, " ")
	d, rest, ok := parseTime(rest)
	now := r.Clock.Monotonic()
	elapsed := now - lookedAt
	switch {
	case !ok:
		return found, false
	case word == replyToken:
		t, ok := r.read(rest, k)
		if t = aged(t, d-elapsed); ok && t.Age >= t.Lifetime {
			return LookResult{Status: LeaseHeld}, true // it may have expired on the way here
		}
		return LookResult{Status: TokenFound, Token: t}, ok
	case word == replyFailed:
		name, rest, _ := strings.Cut(rest, " ")
		reason, isReason := token.SharedReason(name)
		// No gateway writes a wait longer than the maximum.
		if !isReason || d > token.MaxRetryAfter {
			return LookResult{Status: Uncacheable}, true
		}
		return LookResult{Status: InBackoff, Reason: reason, Wait: d, Fallback: r.fallback(rest, k, elapsed)}, true
	case word == replyLease || word == replyBusy:
		found.Status = map[string]LookStatus{replyLease: LeaseGranted, replyBusy: LeaseHeld}[word]
		found.Claim = Claim{Owner: q.Owner, MadeAt: d, SeenAt: now}
		found.Fallback = r.fallback(rest, k, elapsed)
		return found, true
	default:
		return found, false
	}
}

// aged sets the token's age from its remaining lifetime.
func aged(t token.Token, left time.Duration) token.Token {
	t.Age = t.Lifetime - min(left, t.Lifetime) // Redis's TTL is not authenticated
	return t
}

// fallback parses the rejected token that accompanies a reply; nil if there is none.
func (r *Redis) fallback(text string, k Key, elapsed time.Duration) *token.Token {
	left, record, _ := parseTime(text)
	record, isRejected := strings.CutPrefix(record, rejectedMark)
	t, ok := r.read(record, k)
	if t = aged(t, left-elapsed); !ok || !isRejected || t.Age >= t.Lifetime {
		return nil
	}
	return &t
}

// Save stores a token. Its expiry is computed on Redis's clock, as seen by the lease, so that a delayed Save does not
// extend the token's life.
func (r *Redis) Save(k Key, claim Claim, t token.Token, dueAfter time.Duration, done func(error)) {
	issued := claim.MadeAt + (r.Clock.Monotonic() - claim.SeenAt) - t.Age
	args := []string{formatID(claim.Owner), millis(issued + t.Lifetime), millis(issued + dueAfter), r.write(t, k)}
	r.eval(scriptSave, k, args, func(_ string, err error) { done(err) })
}

// Fail starts a backoff for all gateways.
func (r *Redis) Fail(k Key, claim Claim, f Failure, done func(time.Duration, error)) {
	word, isExact := wordUncacheable, ""
	if f.Reason != 0 {
		word = f.Reason.String()
	}
	if f.IsExact {
		isExact = "1"
	}
	args := []string{formatID(claim.Owner), word, millis(f.Backoff), millis(f.Least), isExact}
	r.eval(scriptFail, k, args, func(text string, err error) {
		wait, _, ok := parseTime(text + " ")
		if err == nil && !ok {
			err = errBadRecord
		}
		done(wait, err)
	})
}

// Extend renews or releases the lease.
func (r *Redis) Extend(k Key, claim Claim, until time.Duration, done func(error)) {
	r.eval(scriptExtend, k, []string{formatID(claim.Owner), millis(until)}, func(_ string, err error) { done(err) })
}

// wordUncacheable stands for: tokens must not be cached, so each gateway calls directly.
const wordUncacheable = "alone"

func (r *Redis) eval(script string, k Key, args []string, done func(reply string, err error)) {
	onReply := func(reply string, err error) {
		if err != nil {
			r.Log.RedisFailed(err)
		} else {
			r.Log.RedisRecovered()
		}
		done(reply, err)
	}
	if err := r.Scripts.Eval(script, r.keys(k), args, onReply); err != nil {
		onReply("", err)
	}
}

// keysPerToken is how many Redis keys the scripts use for each token.
const keysPerToken = 7

// version is that of the records and scripts. During an upgrade, gateways of different versions use separate keys.
const version = "3"

// keys returns the Redis keys of a token. They are hashes because their inputs include secrets and callers' tokens. The
// braces put them in one slot of a Redis cluster.
func (r *Redis) keys(k Key) []string {
	hash := sha256.Sum256(append([]byte(version), k[:]...))
	common := r.Prefix + "{" + hex.EncodeToString(hash[:]) + "}:"
	keys := make([]string, keysPerToken)
	for i := range keys {
		keys[i] = common + strconv.Itoa(i+1)
	}
	return keys
}

// What scriptLook returns: one of these words, a time in milliseconds, and text.
const (
	replyToken  = "token"  // remaining lifetime; record
	replyLease  = "lease"  // Redis time; rejected record
	replyFailed = "failed" // backoff left; reason and rejected record
	replyBusy   = "busy"   // Redis time; rejected record
)

// parseTime parses the milliseconds at the start of a text.
func parseTime(text string) (d time.Duration, rest string, ok bool) {
	number, rest, found := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(number, 10, 64)
	const most = 1 << 43 // milliseconds since 1970: a few centuries ahead, and far from overflowing a Duration
	if !found || err != nil || ms < 0 || ms > most {
		return 0, "", false
	}
	return time.Duration(ms) * time.Millisecond, rest, true
}

// millis formats a duration for a script, rounding up: no time left to live becomes 0.
func millis(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}
