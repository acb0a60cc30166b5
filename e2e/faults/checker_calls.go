package faults

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// byOwnCall knows exactly what the token service did for the request.
func (k *checker) byOwnCall(r *request) {
	own := k.ownCalls[r.id]
	var came outcome
	switch {
	case own != nil:
		came = k.outcomeOf(own, r)
	case k.wasCut(r.rule, r.during()):
		came = unavailable
	case r.leaves:
		return
	case r.during().length() > callTimeout-clockAllowed && k.lag.during(r.during()) > callTimeout/2:
		came = unavailable // the machine was so busy that the service did not get to read it
	default:
		k.violateLocked("no call was made", "%s: %s after %s, of which the machine held up %s", r, r.result(), r.during().length(), k.lag.during(r.during()))
		return
	}
	if got := r.result(); got != left && got != wrong && came&r.rule.causes(got) == 0 {
		k.violateLocked("against the table: "+string(got), "%s, its call was: %s", r, k.describe(own, r))
	}
}

func (k *checker) describe(c *call, r *request) string {
	if c == nil {
		return "connection refused"
	}
	return fmt.Sprintf("%s, received after %s, done after %s, the machine held up %s",
		c.fault.name, c.receivedAt.Sub(r.sentAt), c.endedAt.Sub(r.sentAt), k.lag.during(r.during()))
}

// byAnyCall looks for something that can have been the reason. That a token came from a call is known by the token.
func (k *checker) byAnyCall(r *request) {
	got, before := r.result(), r.during()
	if !r.rule.callEach {
		before.from = before.from.Add(-longestHold)
	}
	if got == withToken || got == subjectRefused && k.subjectEnded(r) || k.happened(r, r.rule.causes(got), before) {
		return
	}
	k.violateLocked("against the table: "+string(got), "%s, no call was the reason", r)
}

func (k *checker) subjectEnded(r *request) bool {
	return r.subject != nil && !r.subject.end.IsZero() && !r.answeredAt.Before(r.subject.end.Add(-clockAllowed))
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
		came := k.outcomeOf(c, r) & o
		if came&unavailable != 0 || came != 0 && (c.key == r.key || r.rule.keyedBy == "") {
			return true
		}
	}
	return o&unavailable != 0 && k.wasCut(r.rule, when)
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

// around is when Envoy had the request, and shortly before.
func (k *checker) around(r *request) span {
	return span{r.sentAt.Add(-connectTimeout), r.during().to}
}

// wasCut allows for the time that the machine may have held up the gateway: that long it
// can take to notice that a connection has been closed. When it finds that it can't
// connect, Envoy gives up all calls that wait for a connection then.
func (k *checker) wasCut(r *rule, when span) bool {
	held := k.lag.during(span{when.from.Add(-connectTimeout), when.to})
	wider := span{when.from.Add(-held), when.to.Add(held)}
	return slices.ContainsFunc(k.cuts[r], wider.overlaps)
}
