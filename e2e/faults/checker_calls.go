package faults

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// outcome: each answer follows the contract's table for what the token service did.
func (k *checker) outcome(r *request) {
	switch {
	case r.subject != nil && r.subject.want != nothing:
		k.withoutCall(r)
	case r.rule.exact():
		k.byOwnCall(r)
	default:
		k.byAnyCall(r)
	}
}

// withoutCall: a request that can't be served makes no call.
func (k *checker) withoutCall(r *request) {
	if r.answer != r.subject.want && r.answer != r.subject.either && !r.leaves || !r.reachedAt.IsZero() {
		k.violateLocked("against the table: a subject token that is no good", "%s: %s", r, r.answer)
	}
	if r.subject.want == subjectRefused && k.asked[r.rule][r.subject.token] {
		k.violateLocked("a call for a subject that has expired", "%s", r)
	}
}

// byOwnCall knows exactly what the token service did for the request.
func (k *checker) byOwnCall(r *request) {
	own := k.ownCalls[r.id]
	var may outcome
	switch {
	case own != nil:
		may = k.outcomeOf(own, r)
	case k.wasCut(r.rule, r.during()):
		may = unavailable
	case r.leaves:
		return
	case r.during().length() > callTimeout-clockAllowed && k.lag.during(r.during()) > callTimeout/2:
		may = unavailable // the machine was so busy that the service did not get to read it
	default:
		k.violateLocked("no call was made", "%s: %s after %s, of which the machine held up %s", r, r.answer, r.during().length(), k.lag.during(r.during()))
		return
	}
	if r.answer != nothing && r.answer != reached && r.answer != connectionError && !r.rule.become(may)[r.answer] {
		k.violateLocked("against the table", "%s: %s after %s, its call was: %s", r, r.answer, r.during().length(), k.describe(own, r))
	}
	if r.reachedAt.IsZero() {
		return
	}
	if r.values == 0 && !r.rule.mayGoWithout(may) {
		k.violateLocked("against the table: sent on without a token", "%s, its call was: %s", r, k.describe(own, r))
	}
	if r.values > 0 && !may.may(gotToken) {
		k.violateLocked("against the table: sent on with a token", "%s, its call was: %s", r, k.describe(own, r))
	}
}

func (k *checker) describe(c *call, r *request) string {
	if c == nil {
		return "connection refused"
	}
	return fmt.Sprintf("%s, received after %s, done after %s, the machine held up %s",
		c.fault.name, c.receivedAt.Sub(r.sentAt), c.endedAt.Sub(r.sentAt), k.lag.during(r.during()))
}

// byAnyCall looks for something that can have been the reason.
func (k *checker) byAnyCall(r *request) {
	before := span{r.sentAt, r.during().to}
	if !r.rule.callEach {
		before.from = before.from.Add(-longestHold)
	}
	withoutToken := !r.reachedAt.IsZero() && r.values == 0
	switch {
	case withoutToken && r.rule.onNone == deniedThen:
		k.violateLocked("against the table: sent on without a token", "%s", r)
	case withoutToken && r.rule.onNoCall == deniedThen && !k.happened(r, noToken, before):
		k.violateLocked("against the table: sent on without a token", "%s, no call has brought none", r)
	case withoutToken && !k.happened(r, noToken|unavailable|refused, before):
		k.violateLocked("against the table: sent on without a token", "%s, no call has failed", r)
	case r.answer == denied && !k.happened(r, noToken|unavailable|refused, before):
		k.violateLocked("against the table: denied", "%s, no call has failed", r)
	case r.answer == denied && r.rule.onNoCall == forwardedThen:
		k.violateLocked("against the table: denied", "%s: its failure mode is allow", r)
	case r.answer == subjectMissing:
		k.violateLocked("against the table: a subject token that was overlooked", "%s", r)
	case r.answer == subjectRefused && !k.subjectEnded(r) && !k.happened(r, badSubject, before):
		k.violateLocked("against the table: a subject token refused", "%s, no call has refused it", r)
	}
}

func (k *checker) subjectEnded(r *request) bool {
	return !r.subject.expiresAt.IsZero() && !r.answeredAt.Before(r.subject.expiresAt.Add(-clockAllowed))
}

// happened reports whether a call in that time can have had one of the outcomes. That the
// service can't answer concerns all callers, anything else only the one.
func (k *checker) happened(r *request, o outcome, when span) bool {
	calls := k.calls[r.rule]
	after := sort.Search(len(calls), func(i int) bool { return calls[i].receivedAt.After(when.to) })
	for _, c := range slices.Backward(calls[:after]) {
		if c.receivedAt.Before(when.from.Add(-2 * time.Second)) {
			break
		}
		may := k.outcomeOf(c, r) & o
		if may.may(unavailable) || may != 0 && (c.key == r.key || r.rule.keyedBy == "") {
			return true
		}
	}
	return o.may(unavailable) && k.wasCut(r.rule, when)
}

// outcomeOf is what may have come of a call. A good answer that comes near the timeout, by
// the clock of a machine that was busy, may have been too late.
func (k *checker) outcomeOf(c *call, r *request) outcome {
	may := c.fault.outcome(c.rule)
	from := c.receivedAt
	if c.rule.callEach {
		from = r.sentAt
	}
	ended := c.endedAt
	if ended.IsZero() {
		return may | unavailable
	}
	held := k.lag.during(span{from, ended.Add(clockAllowed)})
	if c.fault.late && k.wasInTime(c) {
		may |= gotToken
	}
	if took := ended.Sub(from) + held; took > callTimeout-2*clockAllowed || k.wasCut(c.rule, span{from, ended.Add(clockAllowed)}) {
		may |= unavailable
	}
	return may
}

// wasInTime reports whether the gateway may have taken an answer for one in time that came
// after the timeout, because the machine held it up.
func (k *checker) wasInTime(c *call) bool {
	took := span{c.receivedAt, c.endedAt}
	return took.length()-callTimeout < k.lag.during(took)
}

// heldAround is for how long the machine may have held up Envoy while it had the request, or shortly before.
func (k *checker) heldAround(r *request) time.Duration {
	when := r.during()
	return k.lag.during(span{when.from.Add(-connectTimeout), when.to})
}

// wasCut allows for the time that the machine may have held up the gateway: that long it
// can take to notice that a connection has been closed. When it finds that it can't
// connect, Envoy gives up all calls that wait for a connection then.
func (k *checker) wasCut(r *rule, when span) bool {
	held := k.lag.during(span{when.from.Add(-connectTimeout), when.to})
	when.from, when.to = when.from.Add(-held), when.to.Add(held)
	for _, cut := range k.cuts[r] {
		if cut.overlaps(when) {
			return true
		}
	}
	return false
}
