package faults

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestChecker checks that the checker finds all violations, and nothing else.
func TestChecker(t *testing.T) {
	began := time.Now()
	at := func(milliseconds int) time.Time { return began.Add(time.Duration(milliseconds) * time.Millisecond) }
	rules := newRules()
	called := func(name string) *rule {
		return rules[slices.IndexFunc(rules, func(r *rule) bool { return r.name == name })]
	}
	faultOf := func(name string) *fault {
		return allFaults[slices.IndexFunc(allFaults, func(f *fault) bool { return f.name == name })]
	}
	good, hanging, empty, late := faultOf("a good answer"), faultOf("no answer at all"), faultOf("nothing: an empty 200"), faultOf("an answer after the timeout")
	own, cached, allow, stale := called("json-of-caller"), called("cached"), called("allow"), called("stale")
	const reached = withoutToken // by the answer alone

	// One call, received after 10 ms and through after 20, which issued the token t for a second; one request.
	tests := map[string]struct {
		rule    *rule
		fault   *fault
		change  func(r *request, c *call)
		request request // sent after 5 ms and answered after 30 unless it says otherwise
		want    string  // kind of violation; "" for none
	}{
		"served":           {rule: own, fault: good, request: request{answer: reached, token: "t"}},
		"served, cached":   {rule: cached, fault: good, request: request{answer: reached, token: "t", sentAt: at(900), answeredAt: at(910)}},
		"denied":           {rule: own, fault: hanging, request: request{answer: denied}},
		"denied wrongly":   {rule: own, fault: good, request: request{answer: denied}, want: "against the table: denied"},
		"served wrongly":   {rule: own, fault: empty, request: request{answer: reached, token: "t"}, want: "against the table: forwarded with the token"},
		"on without":       {rule: own, fault: empty, request: request{answer: reached}, want: "against the table: forwarded without"},
		"allowed":          {rule: allow, fault: empty, request: request{answer: reached}},
		"allowed wrongly":  {rule: allow, fault: good, request: request{answer: reached}, want: "against the table: forwarded without"},
		"denied by allow":  {rule: allow, fault: hanging, request: request{answer: denied}, want: "against the table: denied"},
		"denied, cached":   {rule: cached, fault: good, request: request{answer: denied}, want: "against the table: denied"},
		"denied, sent on":  {rule: own, fault: hanging, change: func(r *request, _ *call) { r.reachedAt = r.answeredAt }, request: request{answer: denied}, want: "a request that was sent on and answered by the gateway"},
		"forged":           {rule: cached, fault: good, request: request{answer: reached, token: forgedMark}, want: "a forged token"},
		"never issued":     {rule: cached, fault: good, request: request{answer: reached, token: "u"}, want: "an unknown token"},
		"two tokens":       {rule: cached, fault: good, request: request{answer: reached, token: "t and t", values: 2}, want: "more than one token"},
		"expired":          {rule: cached, fault: good, request: request{answer: reached, token: "t", sentAt: at(1100), answeredAt: at(1110)}, want: "an expired token"},
		"stale, no reason": {rule: stale, fault: good, request: request{answer: reached, token: "t", sentAt: at(1100), answeredAt: at(1110)}, want: "an expired token though the token service can answer"},
		"after timeout":    {rule: cached, fault: late, change: func(_ *request, c *call) { c.endedAt = at(900) }, request: request{answer: reached, token: "t"}, want: "a token that came after the timeout"},
		"late":             {rule: own, fault: hanging, request: request{answer: denied, answeredAt: at(900)}, want: "a late answer"},
		"no answer":        {rule: own, fault: hanging, request: request{answer: left}, want: "no answer"},
		"left":             {rule: own, fault: hanging, request: request{answer: left, leaves: true}},
		"another's":        {rule: cached, fault: good, change: func(_ *request, c *call) { c.key = "somebody" }, request: request{answer: reached, token: "t"}, want: "another's token"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &call{rule: test.rule, fault: test.fault, receivedAt: at(10), endedAt: at(20)}
			r := filledIn(test.request, test.rule, at)
			if test.change != nil {
				test.change(r, c)
			}
			l := newLedger()
			l.requests, l.calls[test.rule], l.tokens["t"] = []*request{r}, []*call{c}, &issue{call: c, lifetime: time.Second}
			l.ownCalls[0] = c
			(&checker{ledger: l, lag: &lag{}}).all()
			got := slices.Collect(maps.Keys(l.violations))
			if test.want == "" && len(got) > 0 || test.want != "" && !slices.Contains(got, test.want) {
				t.Errorf("got %q, expected %q", got, test.want)
			}
		})
	}
}

// filledIn is a request with what its case leaves out.
func filledIn(r request, of *rule, at func(milliseconds int) time.Time) *request {
	r.rule, r.client = of, allClients[0]
	if r.sentAt.IsZero() {
		r.sentAt = at(5)
	}
	if r.answeredAt.IsZero() {
		r.answeredAt = at(30)
	}
	r.countFrom = r.sentAt
	if r.answer == withoutToken {
		r.reachedAt = r.answeredAt
	}
	if r.token != "" && r.values == 0 {
		r.values = 1
	}
	return &r
}
