package faults

import (
	"slices"
	"strings"
	"time"
)

const (
	// lateAllowed is how much later than the timeout of its token call an answer may come.
	lateAllowed = 300 * time.Millisecond
	// clockAllowed is for what happens between two looks at the clock in different places.
	clockAllowed = 50 * time.Millisecond
	// connectTimeout is the connect timeout of the gateway's clusters.
	connectTimeout = 2 * time.Second
	// heldUp is how long the machine may hold up a client or Envoy; after that, Envoy cuts connections whose answers are not read.
	heldUp = time.Second
	// longestHold is the longest backoff, with its random part.
	longestHold = 36 * time.Second
)

// checker holds all that has happened against the contract.
type checker struct {
	*ledger
	lag *lag

	late []time.Duration // how much later than allowed answers came, of those that the machine held up
}

// all checks each request. Nothing may be under way any more.
func (k *checker) all() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.requests {
		k.answer(r)
		k.time(r)
		if r.result() == withToken {
			k.token(r)
		}
		k.result(r)
	}
}

// answer: everybody got one that the contract knows.
func (k *checker) answer(r *request) {
	switch r.answer {
	case left:
		if !r.leaves && k.lag.during(r.during()) < heldUp {
			k.violateLocked("no answer", "%s: %s", r, r.detail)
		}
	case wrong:
		if strings.Contains(r.detail, "upstream connect error") && k.lag.during(k.around(r)) > connectTimeout/2 {
			return // Envoy says so of the upstream, to which it could not connect in 2 s
		}
		k.violateLocked("an answer that the contract does not know", "%s: %s", r, r.detail)
	case withoutToken:
		if r.reachedAt.IsZero() {
			k.violateLocked("an answer of an upstream that has seen nothing", "%s", r)
		}
	default:
		if !r.reachedAt.IsZero() {
			k.violateLocked("a request that was sent on and answered by the gateway", "%s: %s", r, r.answer)
		}
	}
}

// time: no request was answered later than timeout + 300 ms.
func (k *checker) time(r *request) {
	at := r.answeredAt
	if !r.reachedAt.IsZero() && (r.slowBody || r.leaves) {
		at = r.reachedAt // what comes after that is the client's own pace
	} else if r.leaves {
		return
	}
	late := at.Sub(r.countFrom) - callTimeout - lateAllowed
	if late <= 0 || r.answer == left {
		return
	}
	k.late = append(k.late, late)
	if held := k.lag.during(span{r.countFrom, at}); late > held {
		k.violateLocked("a late answer", "%s: %s after %s, of which the machine held up %s",
			r, r.answer, at.Sub(r.countFrom).Round(time.Millisecond), held.Round(time.Millisecond))
	}
}

// token: no upstream sees a wrong, expired, forged or another's token.
func (k *checker) token(r *request) {
	token, hasPrefix := strings.CutPrefix(r.token, r.rule.prefix)
	issue := k.tokens[token]
	switch {
	case r.values > 1:
		k.violateLocked("more than one token", "%s: %.200q", r, r.token)
	case strings.Contains(r.token, forgedMark):
		k.violateLocked("a forged token", "%s: %.200q", r, r.token)
	case issue == nil || !hasPrefix:
		k.violateLocked("an unknown token", "%s: %.200q", r, r.token)
	case issue.call.fault.late && !k.wasInTime(issue.call):
		k.violateLocked("a token that came after the timeout", "%s: %.200q", r, r.token)
	case issue.call.rule != r.rule || issue.call.key != r.key:
		k.violateLocked("another's token", "%s: %.200q, issued for %s %.100q", r, r.token, issue.call.rule.name, issue.call.key)
	case r.rule.callEach && (issue.usedTimes > 1 || issue.call.receivedAt.Before(r.sentAt)):
		k.violateLocked("another request's token", "%s: %.200q, issued %s before it was sent, used %d times",
			r, r.token, r.sentAt.Sub(issue.call.receivedAt), issue.usedTimes)
	default:
		k.expiry(r, issue)
	}
}

// expiry: a token serves until its end, and those requests that waited for it.
func (k *checker) expiry(r *request, i *issue) {
	at, held := r.reachedAt, k.lag.during(r.during())
	if i.call.endedAt.IsZero() || !r.sentAt.After(i.call.endedAt) {
		at = r.sentAt // it waited, for however long
	}
	if r.subject != nil && !r.subject.end.IsZero() && at.Sub(r.subject.end) > clockAllowed+held {
		k.violateLocked("a token that outlives its subject", "%s: %s after the end", r, at.Sub(r.subject.end))
	}
	if at.Equal(r.sentAt) {
		return
	}
	end := i.expiresAt().Add(clockAllowed + held)
	switch {
	case !at.After(end):
	case r.rule.staleFor == 0 || at.After(end.Add(r.rule.staleFor)):
		k.violateLocked("an expired token", "%s: %s after its end (%s, lifetime %s)", r, at.Sub(i.expiresAt()), i.call.fault.name, i.lifetime)
	case !k.happened(r, unavailable, span{i.call.receivedAt, at}):
		k.violateLocked("an expired token though the token service can answer", "%s: %s after its end", r, at.Sub(i.expiresAt()))
	}
}

// result: it follows by the contract's table from what the token service did.
func (k *checker) result(r *request) {
	switch {
	case r.subject != nil && r.subject.kind.answers != nil:
		if !slices.Contains(r.subject.kind.answers, r.result()) && r.result() != left {
			k.violateLocked("against the table: a subject token that is no good", "%s: %s", r, r.result())
		}
		if r.subject.kind.name == expired && slices.ContainsFunc(k.calls[r.rule], func(c *call) bool { return c.key == r.key }) {
			k.violateLocked("a call for a subject that has expired", "%s", r)
		}
	case r.rule.exact():
		k.byOwnCall(r)
	case r.result() != left && r.result() != wrong:
		k.byAnyCall(r)
	}
}
