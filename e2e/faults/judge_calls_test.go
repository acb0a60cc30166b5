package faults_test

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// outcome: each answer follows the contract's table for what the token service did.
func (j *judge) outcome(r *request) {
	switch {
	case r.subject != nil && r.subject.want != nothing:
		j.withoutCall(r)
	case r.rule.exact():
		j.byOwnCall(r)
	default:
		j.byAnyCall(r)
	}
}

// withoutCall: a request that can't be served makes no call.
func (j *judge) withoutCall(r *request) {
	if r.came != r.subject.want && r.came != r.subject.either && !r.leaves || !r.reachedAt.IsZero() {
		j.violateLocked("against the table: a subject token that is no good", "%s: %s", r, r.came)
	}
	if r.subject.want == subjectRefused && j.asked[r.rule][r.subject.token] {
		j.violateLocked("a call for a subject that has expired", "%s", r)
	}
}

// byOwnCall knows exactly what the token service did for the request.
func (j *judge) byOwnCall(r *request) {
	own := j.ownCalls[r.id]
	var may outcome
	switch {
	case own != nil:
		may = j.outcomeOf(own, r)
	case j.wasCut(r.rule, r.during()):
		may = unavailable
	case r.leaves:
		return
	case r.during().length() > callTimeout-clockAllowed && j.lag.during(r.during()) > callTimeout/2:
		may = unavailable // the machine was so busy that the service did not get to read it
	default:
		j.violateLocked("no call was made", "%s: %s after %s, of which the machine held up %s", r, r.came, r.during().length(), j.lag.during(r.during()))
		return
	}
	if r.came != nothing && r.came != reached && r.came != connectionError && !r.rule.become(may)[r.came] {
		j.violateLocked("against the table", "%s: %s after %s, its call was: %s", r, r.came, r.during().length(), j.describe(own, r))
	}
	if r.reachedAt.IsZero() {
		return
	}
	if r.values == 0 && !r.rule.mayGoWithout(may) {
		j.violateLocked("against the table: sent on without a token", "%s, its call was: %s", r, j.describe(own, r))
	}
	if r.values > 0 && !may.may(gotToken) {
		j.violateLocked("against the table: sent on with a token", "%s, its call was: %s", r, j.describe(own, r))
	}
}

func (j *judge) describe(c *call, r *request) string {
	if c == nil {
		return "connection refused"
	}
	return fmt.Sprintf("%s, received after %s, done after %s, the machine held up %s",
		c.fault.name, c.receivedAt.Sub(r.sentAt), c.endedAt.Sub(r.sentAt), j.lag.during(r.during()))
}

// byAnyCall looks for something that can have been the reason.
func (j *judge) byAnyCall(r *request) {
	before := span{r.sentAt, r.during().to}
	if !r.rule.callEach {
		before.from = before.from.Add(-longestHold)
	}
	withoutToken := !r.reachedAt.IsZero() && r.values == 0
	switch {
	case withoutToken && r.rule.onNone == deniedThen:
		j.violateLocked("against the table: sent on without a token", "%s", r)
	case withoutToken && r.rule.onNoCall == deniedThen && !j.happened(r, noToken, before):
		j.violateLocked("against the table: sent on without a token", "%s, no call has brought none", r)
	case withoutToken && !j.happened(r, noToken|unavailable|refused, before):
		j.violateLocked("against the table: sent on without a token", "%s, no call has failed", r)
	case r.came == denied && !j.happened(r, noToken|unavailable|refused, before):
		j.violateLocked("against the table: denied", "%s, no call has failed", r)
	case r.came == denied && r.rule.onNoCall == forwardedThen:
		j.violateLocked("against the table: denied", "%s: its failure mode is allow", r)
	case r.came == subjectMissing:
		j.violateLocked("against the table: a subject token that was overlooked", "%s", r)
	case r.came == subjectRefused && !j.subjectEnded(r) && !j.happened(r, badSubject, before):
		j.violateLocked("against the table: a subject token refused", "%s, no call has refused it", r)
	}
}

func (j *judge) subjectEnded(r *request) bool {
	return !r.subject.expiresAt.IsZero() && !r.answeredAt.Before(r.subject.expiresAt.Add(-clockAllowed))
}

// happened reports whether a call in that time can have had one of the outcomes. That the
// service can't answer concerns all callers, anything else only the one.
func (j *judge) happened(r *request, o outcome, when span) bool {
	calls := j.calls[r.rule]
	after := sort.Search(len(calls), func(i int) bool { return calls[i].receivedAt.After(when.to) })
	for _, c := range slices.Backward(calls[:after]) {
		if c.receivedAt.Before(when.from.Add(-2 * time.Second)) {
			break
		}
		may := j.outcomeOf(c, r) & o
		if may.may(unavailable) || may != 0 && (c.key == r.key || r.rule.keyedBy == "") {
			return true
		}
	}
	return o.may(unavailable) && j.wasCut(r.rule, when)
}

// outcomeOf is what may have come of a call. A good answer that comes near the timeout, by
// the clock of a machine that was busy, may have been too late.
func (j *judge) outcomeOf(c *call, r *request) outcome {
	may := c.fault.outcome(c.rule)
	from := c.receivedAt
	if c.rule.callEach {
		from = r.sentAt
	}
	ended := c.endedAt
	if ended.IsZero() {
		return may | unavailable
	}
	held := j.lag.during(span{from, ended.Add(clockAllowed)})
	if c.fault.late && j.wasInTime(c) {
		may |= gotToken
	}
	if took := ended.Sub(from) + held; took > callTimeout-2*clockAllowed || j.wasCut(c.rule, span{from, ended.Add(clockAllowed)}) {
		may |= unavailable
	}
	return may
}

// wasInTime reports whether the gateway may have taken an answer for one in time that came
// after the timeout, because the machine held it up.
func (j *judge) wasInTime(c *call) bool {
	took := span{c.receivedAt, c.endedAt}
	return took.length()-callTimeout < j.lag.during(took)
}

// heldAround is for how long the machine may have held up Envoy while it had the request, or shortly before.
func (j *judge) heldAround(r *request) time.Duration {
	when := r.during()
	return j.lag.during(span{when.from.Add(-connectTimeout), when.to})
}

// wasCut allows for the time that the machine may have held up the gateway: that long it
// can take to notice that a connection has been closed. When it finds that it can't
// connect, Envoy gives up all calls that wait for a connection then.
func (j *judge) wasCut(r *rule, when span) bool {
	held := j.lag.during(span{when.from.Add(-connectTimeout), when.to})
	when.from, when.to = when.from.Add(-held), when.to.Add(held)
	for _, cut := range j.cuts[r] {
		if cut.overlaps(when) {
			return true
		}
	}
	return false
}
