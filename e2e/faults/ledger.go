package faults

import (
	"fmt"
	"maps"
	"slices"
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
	cuts       map[*rule][]span // when a token service took no calls, or closed a connection that may have been used again
	floods     int              // connections that Envoy cut as a client pipelined
	violations map[string]*violation
}

func newLedger() *ledger {
	return &ledger{
		calls: map[*rule][]*call{}, ownCalls: map[int]*call{}, tokens: map[string]*issue{},
		cuts: map[*rule][]span{}, violations: map[string]*violation{},
	}
}

// span is a time from its begin to its end.
type span struct{ from, to time.Time }

func (s span) overlaps(other span) bool { return !s.from.After(other.to) && !other.from.After(s.to) }

func (s span) length() time.Duration { return s.to.Sub(s.from) }

// answer is what a client got.
type answer int

const (
	nothing         answer = iota
	reached                // the upstream's answer
	denied                 // the reply of the rule's failure
	subjectMissing         // 401 because there is no token to exchange
	subjectRefused         // 401 as the caller's own token is no good
	emptyReply             // 503 without a body: what Envoy says with a dead VM
	somethingElse          // that the contract does not know
	connectionError        // no answer, though the client waited for one
)

func (a answer) String() string {
	return [...]string{"nothing", "the upstream's answer", "a denial", "401 without a token", "401 for its token",
		"503 without a body", "something else", "no answer"}[a]
}

// request is one request of a client.
type request struct {
	id      int
	rule    *rule
	client  *client
	subject *subject // of a token exchange
	key     string   // whose token it needs; "" where all need the same

	sentAt     time.Time // before it was written
	countFrom  time.Time // from when its answer is awaited: later than sentAt for one behind others
	answeredAt time.Time
	leaves     bool // the client may go before the answer
	slowBody   bool
	answer     answer
	detail     string // for what must not be

	reachedAt time.Time // the upstream, zero when it did not
	token     string    // that the upstream saw, all values
	values    int       // how many there were
}

func (r *request) String() string {
	return fmt.Sprintf("request %d (%s, %s%s)", r.id, r.rule.name, r.client.name, r.subject.kindText())
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
	retryAfter time.Duration
}

// issue is a token that a token service has handed out.
type issue struct {
	call      *call
	lifetime  time.Duration // from when the call was received, which is later than when it was sent
	notAfter  time.Time     // the end that stands in the token, or in the one it was exchanged for
	usedTimes int
}

func (i *issue) expiresAt() time.Time {
	end := i.call.receivedAt.Add(i.lifetime)
	if !i.notAfter.IsZero() && i.notAfter.Before(end) {
		return i.notAfter
	}
	return end
}

// violation is one kind of thing that must not be.
type violation struct {
	count    int
	examples []string
}

// violate notes what must not be.
func (l *ledger) violate(kind, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violateLocked(kind, format, args...)
}

func (l *ledger) violateLocked(kind, format string, args ...any) {
	v := l.violations[kind]
	if v == nil {
		v = &violation{}
		l.violations[kind] = v
	}
	v.count++
	if len(v.examples) < 8 {
		v.examples = append(v.examples, fmt.Sprintf(format, args...))
	}
}

// kindsOfViolations are sorted.
func (l *ledger) kindsOfViolations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.violations))
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

// change changes an entry.
func (l *ledger) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

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
func (l *ledger) issued(token string, i *issue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens[token] = i
}

// cut enters a time when calls got no answer through no fault of the gateway.
func (l *ledger) cut(r *rule, s span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts[r] = append(l.cuts[r], s)
}
