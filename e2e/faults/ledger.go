package faults

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// ledger has what the clients sent and got, what the token services did, and what the
// upstream saw. All is checked by it when the load is over.
type ledger struct {
	mu         sync.Mutex // guards all below, and the entries
	requests   []*request // by their numbers
	calls      map[*rule][]*call
	ownCalls   map[int]*call // of rules where it is known for which request a call was made
	tokens     map[string]*issue
	cuts       map[*rule][]span    // when a token service took no calls, or closed a connection that may have been used again
	away       int                 // how often token services refused connections
	violations map[string][]string // by kind
}

func newLedger() *ledger {
	return &ledger{
		calls: map[*rule][]*call{}, ownCalls: map[int]*call{}, tokens: map[string]*issue{},
		cuts: map[*rule][]span{}, violations: map[string][]string{},
	}
}

// span is a time from its begin to its end.
type span struct{ from, to time.Time }

func (s span) overlaps(other span) bool { return !s.from.After(other.to) && !other.from.After(s.to) }

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// request is one request of a client.
type request struct {
	id      int
	rule    *rule
	client  *client
	subject *subject // of a token exchange
	key     string   // whose token it needs; "" where all need the same

	sentAt     time.Time // before it was written
	countFrom  time.Time // from when its answer is awaited: later than sentAt for one behind others
	answeredAt time.Time // or when the client knew that there is no answer
	leaves     bool      // the client may go before the answer
	slowBody   bool
	answer     result // by the answer alone: withoutToken for the upstream's, left for none
	detail     string // of an answer that is wrong, or of none

	reachedAt time.Time // the upstream, zero when it did not
	token     string    // that the upstream saw, all values
	values    int       // how many there were
}

func (r *request) String() string {
	text := fmt.Sprintf("request %d (%s, %s", r.id, r.rule.name, r.client.name)
	if r.subject != nil {
		text += ", " + r.subject.kind.name
	}
	return text + ")"
}

// result classifies the request by everything known about it.
func (r *request) result() result {
	switch {
	case !r.reachedAt.IsZero() && r.values > 0:
		return withToken
	case !r.reachedAt.IsZero():
		return withoutToken
	default:
		return r.answer
	}
}

// during is from when a request was on its way until it was settled.
func (r *request) during() span {
	until := r.answeredAt
	if !r.reachedAt.IsZero() {
		until = r.reachedAt
	}
	return span{r.sentAt, until}
}

// call is one call as the token service saw it.
type call struct {
	rule       *rule
	fault      *fault
	key        string
	receivedAt time.Time
	endedAt    time.Time // when the service was through with it; zero while it is not
}

// issue is a token that a token service has handed out.
type issue struct {
	call      *call
	lifetime  time.Duration // from when the call was received, which is later than when it was sent
	notAfter  time.Time     // the end that stands in the token
	usedTimes int
}

func (i *issue) expiresAt() time.Time {
	end := i.call.receivedAt.Add(i.lifetime)
	if !i.notAfter.IsZero() && i.notAfter.Before(end) {
		return i.notAfter
	}
	return end
}

// violate records a violation of the contract.
func (l *ledger) violate(kind, format string, args ...any) {
	l.change(func() { l.violateLocked(kind, format, args...) })
}

func (l *ledger) violateLocked(kind, format string, args ...any) {
	l.violations[kind] = append(l.violations[kind], fmt.Sprintf(format, args...))
}

// change changes an entry.
func (l *ledger) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// newRequest enters a request, before it is sent.
func (l *ledger) newRequest(r *request) *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.id = len(l.requests)
	if r.rule.keyedBy == idHeader {
		r.key = strconv.Itoa(r.id)
	}
	l.requests = append(l.requests, r)
	return r
}

// request is nil when there is none of that number.
func (l *ledger) request(id string) *request {
	number, err := strconv.Atoi(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || number < 0 || number >= len(l.requests) {
		return nil
	}
	return l.requests[number]
}

// received enters a call that a token service has read.
func (l *ledger) received(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.receivedAt = time.Now() // here, so that they are in order
	l.calls[c.rule] = append(l.calls[c.rule], c)
	if !c.rule.exact() {
		return
	}
	id, err := strconv.Atoi(c.key)
	if err != nil {
		l.violateLocked("a call that belongs to no request", "%s: the call has %s %q", c.rule.name, idHeader, c.key)
		return
	}
	if l.ownCalls[id] != nil {
		l.violateLocked("two calls for one request", "request %d of %s", id, c.rule.name)
	}
	l.ownCalls[id] = c
}

// issued enters a token, before it is sent.
func (l *ledger) issued(token string, i *issue) { l.change(func() { l.tokens[token] = i }) }

// cut enters a time when calls got no answer through no fault of the gateway.
func (l *ledger) cut(r *rule, s span) { l.change(func() { l.cuts[r] = append(l.cuts[r], s) }) }
