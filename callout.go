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

// host is what token calls need from the gateway: a pluginContext, or a fake in tests.
type host interface {
	token.Clock
	logger
	// dispatch makes a call to a cluster. If it returns an error, no call was made. Otherwise it calls the handler
	// exactly once, unless the context that made the call is deleted first.
	dispatch(to cluster, call tokenservice.Call, handler responseHandler) *token.Error
	// reportMissing reports a request that lacks what a call of the part refers to. That is the client's fault, not the
	// service's.
	reportMissing(part *part, missing error)
}

// responseHandler receives the response to a call.
type responseHandler interface {
	onResponse(resp *tokenservice.Response)
}

// cluster is the destination of calls.
type cluster struct {
	name      string
	timeout   time.Duration
	needsBody bool // of a successful response
}

// client makes the token calls of a part through the gateway's cluster for the token service.
type client struct {
	service  *tokenservice.Service
	cluster  cluster
	host     host
	log      *serviceLog
	inFlight []*fetch // in the order sent; some may have ended
	warned   [3]bool  // whether the log has the Grant's warnings: Uncached, Unreadable, Rotated
}

// hostGrace is how long after its timeout a call is given up on if the host has not called back.
const hostGrace = tickPeriod * 10

func newClient(service *tokenservice.Service, h host, log *serviceLog) *client {
	return &client{service: service, host: h, log: log, cluster: cluster{service.ClusterName(), service.Timeout, service.NeedsBody}}
}

// fetch is one Fetch, whose call is in flight.
type fetch struct {
	client *client
	caller *tokenservice.Caller // nil if the token does not depend on it
	sentAt time.Duration
	done   func(token.Token, *token.Error) // nil: it has ended
}

var _ referrer = (*client)(nil)

// Fetch calls the token service.
func (c *client) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	c.fetchWith(nil, q, c.log.recordFailure(done))
}

func (c *client) fetchWith(named []string, q token.Query, done func(token.Token, *token.Error)) {
	caller, _ := q.Caller.(*tokenservice.Caller)
	f := &fetch{client: c, caller: caller, sentAt: c.host.Monotonic(), done: done}
	if err := f.send(q.Cause, named); err != nil {
		done(token.Token{}, err)
		return
	}
	c.log.metrics.calls++
	c.inFlight = append(c.inFlight, f)
}

func (f *fetch) send(cause token.Cause, named []string) *token.Error {
	c := f.client
	var trace [][2]string
	if names := c.service.TraceHeaders(); len(names) > 0 && cause != nil {
		trace = cause.Headers(names)
	}
	call, err := c.service.Call(f.caller, named, trace, c.host.Wall())
	if err != nil {
		return preparationError(err)
	}
	return c.host.dispatch(c.cluster, call, f)
}

// preparationError returns the error for a call that could not be made or signed.
func preparationError(err error) *token.Error {
	if missing := (*tokenservice.MissingError)(nil); errors.As(err, &missing) {
		return &token.Error{Reason: token.Missing, Detail: err.Error()}
	}
	return &token.Error{Reason: token.NotSent, Detail: err.Error()}
}

func (f *fetch) onResponse(resp *tokenservice.Response) {
	c, caller, done := f.client, f.caller, f.done
	if done == nil {
		return // timed out before
	}
	f.caller, f.done = nil, nil // c keeps f until its next tick: thousands of requests must not live as long
	defer c.failOnPanic(done)
	fault.Inject(fault.OnResponse)
	now := c.host.Monotonic()
	took := now - f.sentAt
	c.log.metrics.callDuration.record(took)
	resp.Took = took
	grant, err := c.service.Grant(resp, caller, c.host.Wall().Add(-took))
	if err != nil {
		done(token.Token{}, err)
		return
	}
	c.succeed(grant, resp.Status, now, took)
	grant.Age = took
	done(grant.Token, nil)
}

// failOnPanic fails a fetch if its response made the plugin panic.
func (c *client) failOnPanic(done func(token.Token, *token.Error)) {
	if cause := recover(); cause != nil {
		logPanic(c.host, cause)
		done(token.Token{}, &token.Error{Reason: token.Internal, Detail: "sent an answer that made the plugin panic"})
	}
}

func (c *client) succeed(g tokenservice.Grant, status int, now, took time.Duration) {
	c.log.failures.succeeded()
	c.log.failures.debug(now, status, g, took)
	for i, warning := range [...]string{g.Uncached, g.Unreadable, g.Rotated} {
		if warning != "" && !c.warned[i] {
			c.warned[i] = true
			c.host.logf(logWarn, "token service %s %s", c.log.label, warning)
		}
	}
}

// tick fails fetches whose callback never came.
func (c *client) tick() {
	c.inFlight = slices.DeleteFunc(c.inFlight, func(f *fetch) bool { return f.done == nil })
	now := c.host.Monotonic()
	for len(c.inFlight) > 0 && now >= c.inFlight[0].sentAt+c.cluster.timeout+hostGrace {
		c.inFlight[0].onResponse(&tokenservice.Response{})
		c.inFlight = c.inFlight[1:]
	}
	if len(c.inFlight) == 0 {
		c.inFlight = nil // free the array
	}
}

// dispatchError returns the error for a call that the host did not make.
func dispatchError(err error, isUnknown bool, cluster string) *token.Error {
	if isUnknown {
		return &token.Error{Reason: token.NoCluster, Detail: "is unknown to the gateway, which has no cluster " + cluster}
	}
	return &token.Error{Reason: token.NotSent, Detail: fmt.Sprintf("can't be called: %v (has its cluster %s a healthy host?)", err, cluster)}
}
