package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"token-fetch/internal/fault"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// host is what token calls need of the gateway. pluginContext is the real one; tests have their own.
type host interface {
	token.Clock
	logger
	// dispatch makes a call to a cluster. It returns an error when there is none under way; else
	// done is told exactly once, unless the context that dispatched it goes before.
	dispatch(to cluster, call tokenservice.Call, done answered) *token.Error
	// reportMissing is told of a request that lacks what a call of the part refers to: its client's fault, and no failure of the service.
	reportMissing(of *part, missing error)
}

// answered is told what came of a call.
type answered interface{ answered(a *tokenservice.Answer) }

// cluster is where calls go to.
type cluster struct {
	name      string
	timeout   time.Duration
	needsBody bool // of a good answer
}

// client makes the token calls of a part, through the gateway's cluster for the token service.
type client struct {
	part     *part
	cluster  cluster
	host     host
	metrics  *metrics
	open     []*fetch // in the order in which they were sent; some have ended
	name     *sourceName
	failures failureLog
	refusals refusalLog
	rejected rejectionLog
	warned   [2]bool // the log says why tokens are not kept, and that a lifetime can't be read
}

func newClient(p *part, h host, m *metrics) *client {
	service := p.service
	name := &sourceName{address: service.Address(), oauthClient: service.ClientID}
	name.addPart(p.name)
	return &client{
		part: p, host: h, metrics: m, name: name,
		cluster:  cluster{service.ClusterName(), service.Timeout, service.NeedsBody},
		failures: failureLog{host: h, source: name},
		refusals: refusalLog{host: h, source: name},
		rejected: rejectionLog{host: h, source: name},
	}
}

// fetch is a call under way.
type fetch struct {
	client   *client
	caller   *tokenservice.Caller // nil where the token does not depend on it
	sentAt   time.Duration
	hasEnded bool
	// repeats makes the call once more and reports so, if that may help after such a failure; nil: it never does.
	repeats func(*token.Error) bool
	done    func(token.Token, *token.Error)
}

var _ token.Source = (*client)(nil)

// Fetch calls the token service; done is told the result, now or later.
func (c *client) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	c.call(q, nil, nil, done)
}

// call is Fetch with the named tokens that the call refers to.
func (c *client) call(q token.Query, named []string, repeats func(*token.Error) bool, done func(token.Token, *token.Error)) {
	caller, _ := q.Caller.(*tokenservice.Caller)
	if c.part.service.IsSigned() {
		c.sign(caller, named, done)
		return
	}
	f := &fetch{client: c, caller: caller, sentAt: c.host.Monotonic(), repeats: repeats, done: done}
	if err := f.send(q.Cause, named); err != nil {
		c.callFailed(err)
		done(token.Token{}, err)
		return
	}
	c.metrics.calls++
	c.open = append(c.open, f)
}

// sign makes a token that no service is called for.
func (c *client) sign(caller *tokenservice.Caller, named []string, done func(token.Token, *token.Error)) {
	t, err := c.part.service.Sign(caller, named, c.host.Wall())
	if err != nil {
		failure := notMade(err)
		c.callFailed(failure)
		done(token.Token{}, failure)
		return
	}
	c.failures.succeeded()
	done(t, nil)
}

func (f *fetch) send(cause token.Cause, named []string) *token.Error {
	c := f.client
	var trace [][2]string
	if names := c.part.service.TraceHeaders(); len(names) > 0 && cause != nil {
		trace = cause.Headers(names)
	}
	call, err := c.part.service.Call(f.caller, named, trace, c.host.Wall())
	if err != nil {
		return notMade(err)
	}
	return c.host.dispatch(c.cluster, call, f)
}

// notMade is why there is no call, nor a signature.
func notMade(err error) *token.Error {
	if missing := (*tokenservice.MissingError)(nil); errors.As(err, &missing) {
		return &token.Error{Reason: token.Missing, Detail: err.Error()}
	}
	return &token.Error{Reason: token.NotSent, Detail: err.Error()}
}

func (f *fetch) answered(a *tokenservice.Answer) {
	if f.hasEnded {
		return // given up before
	}
	f.hasEnded = true
	defer f.failOnPanic()
	fault.Inject(fault.OnAnswer)
	now := f.client.host.Monotonic()
	took := now - f.sentAt
	f.client.metrics.callDuration.record(took)
	a.Took = took
	grant, err := f.client.part.service.Grant(a, f.caller, f.client.host.Wall().Add(-took))
	if err != nil {
		if f.repeats != nil && f.repeats(err) {
			return
		}
		f.client.callFailed(err)
		f.done(token.Token{}, err)
		return
	}
	f.client.succeed(grant, a.Status, now, took)
	grant.Age = took
	f.done(grant.Token, nil)
}

// failOnPanic leaves nobody waiting when the answer made the plugin panic.
func (f *fetch) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(f.client.host, cause)
		f.done(token.Token{}, &token.Error{Reason: token.Internal, Detail: "sent an answer that made the plugin panic"})
	}
}

// callFailed is for a call that brought no token, or was not made.
func (c *client) callFailed(err *token.Error) {
	c.countCallFailed(err)
	c.logCallFailed(err)
}

func (c *client) countCallFailed(err *token.Error) {
	switch err.Reason {
	case token.SubjectRefused, token.Missing: // the client's fault
	case token.NoCluster, token.NotSent:
		c.metrics.failures[err.Reason]++
	default:
		c.metrics.callFailures++
		c.metrics.failures[err.Reason]++
	}
}

func (c *client) logCallFailed(err *token.Error) {
	switch err.Reason {
	case token.SubjectRefused:
		c.refusals.refused(err.Detail)
	case token.Missing:
		c.host.reportMissing(c.part, err)
	default:
		c.logFailure(err)
	}
}

func (c *client) succeed(g tokenservice.Grant, status int, now, took time.Duration) {
	c.failures.succeeded()
	c.failures.debug(now, status, g, took)
	for i, warning := range [...]string{g.Uncached, g.Unreadable} {
		if warning != "" && !c.warned[i] {
			c.warned[i] = true
			c.host.logf(logWarn, "token service %s %s", c.name, warning)
		}
	}
}

func (c *client) logFailure(err *token.Error) {
	c.failures.failed(err.Detail, c.part.failure.consequence(err.Reason.Outcome()))
}

// tick writes the sums that are due, and fails fetches whose callback never came.
func (c *client) tick() {
	c.open = slices.DeleteFunc(c.open, func(f *fetch) bool { return f.hasEnded })
	now := c.host.Monotonic()
	for len(c.open) > 0 && now >= c.open[0].sentAt+c.cluster.timeout+hostGrace {
		c.open[0].answered(&tokenservice.Answer{})
		c.open = c.open[1:]
	}
	if len(c.open) == 0 {
		c.open = nil // and with it the array that held them
	}
	c.failures.tick()
	c.refusals.tick()
	c.rejected.tick()
}

// dispatchError is why a call could not be made.
func dispatchError(err error, isUnknown bool, cluster string) *token.Error {
	if isUnknown {
		return &token.Error{Reason: token.NoCluster, Detail: "is unknown to the gateway, which has no cluster " + cluster}
	}
	return &token.Error{Reason: token.NotSent, Detail: fmt.Sprintf("can't be called: %v (has its cluster %s a healthy host?)", err, cluster)}
}
