package main

import (
	"errors"
	"time"

	"token-fetch/internal/tokencache"
)

// host is what the plugin's core needs of the gateway. pluginContext is the real
// one; tests have their own.
type host interface {
	tokencache.Clock
	tokencache.Store
	// dispatch makes a call. It returns a failure when there is none under way; else
	// done is told exactly once, unless the context that dispatched it goes before.
	dispatch(call tokenCall, withBody bool, done answered) *failure
	// logf writes a line for the operator.
	logf(level logLevel, format string, args ...any)
}

// answered is told what came of a call.
type answered interface{ answered(a *answer) }

type logLevel int

const (
	logDebug logLevel = iota
	logInfo
	logWarn
	logError
)

// client makes the token calls of a scope and reads their answers.
type client struct {
	scope      *scope
	host       host
	metrics    *metrics
	failures   failureLog
	refusals   refusalLog
	hasNoStore bool // the log says that the service's answers must not be kept
}

var _ tokencache.Fetcher = (*client)(nil)

func newClient(s *scope, h host, m *metrics) *client {
	return &client{
		scope: s, host: h, metrics: m,
		failures: failureLog{service: s.call.service},
		refusals: refusalLog{service: s.call.service},
	}
}

// fetch is a call for the cache.
type fetch struct {
	client *client
	caller *caller // nil where the token does not depend on it
	sentAt time.Duration
	done   func(tokencache.Result)
}

// Fetch calls the token service; the cache has it run in the root context.
func (c *client) Fetch(who tokencache.Caller, done func(tokencache.Result)) {
	of, _ := who.(*caller)
	f := &fetch{client: c, caller: of, sentAt: c.host.Monotonic(), done: done}
	if failed := c.send(c.scope.callFor(of), f); failed != nil {
		done(failed.result())
	}
}

func (f *fetch) answered(a *answer) {
	defer f.failOnPanic()
	values, failed := f.client.receive(a, f.sentAt)
	if failed != nil {
		f.done(failed.result())
		return
	}
	f.done(tokencache.Result{Grant: f.grant(a, values)})
}

// failOnPanic leaves nobody waiting when the answer made the plugin panic.
func (f *fetch) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(f.client.host, cause)
		f.done(tokencache.Result{Failure: &tokencache.Failure{Err: tokencache.ErrPanic}})
	}
}

// grant reads how long the token lives. The time of the call is taken from the clock as it is now, in case
// that it was set meanwhile.
func (f *fetch) grant(a *answer, values []string) tokencache.Grant {
	sentAt := f.client.sentAt(f.sentAt)
	g := tokencache.Grant{Values: values}
	var noStore bool
	g.Lifetime, noStore = f.client.scope.cache.lifetime(a, values[0], sentAt)
	if noStore {
		f.client.logNoStore()
	}
	if f.caller == nil {
		return g
	}
	if expiry, ok := f.caller.subjectExpiry(); ok {
		g.SubjectLifetime = max(expiry.Sub(sentAt), 1)
		g.Lifetime = min(g.Lifetime, g.SubjectLifetime)
	}
	return g
}

// sentAt is the wall clock's time of a call that was sent at that monotonic one.
func (c *client) sentAt(monotonic time.Duration) time.Time {
	return c.host.Wall().Add(monotonic - c.host.Monotonic())
}

// send makes a call; done is told its answer. A failure means that none is under way.
func (c *client) send(call tokenCall, done answered) *failure {
	failed := c.host.dispatch(call, c.scope.answer.needsBody, done)
	if failed != nil {
		c.logFailure(failed)
		return failed
	}
	c.metrics.calls++
	return nil
}

// receive reads the answer to a call that was sent at that time.
func (c *client) receive(a *answer, sentAt time.Duration) (values []string, failed *failure) {
	now := c.host.Monotonic()
	took := now - sentAt
	c.metrics.callDuration.record(took)
	injectFault(faultOnAnswer)
	values, failed = c.scope.answer.read(a, c.host.Wall())
	switch {
	case failed == nil:
		c.failures.succeeded(c.host)
		c.failures.debug(c.host, now, a.status, took)
	case failed.outcome == subjectRefused:
		c.refusals.refused(c.host, failed)
	default:
		c.metrics.callFailures++
		c.logFailure(failed)
	}
	return values, failed
}

func (c *client) logFailure(f *failure) {
	c.failures.failed(c.host, f.reason, c.scope.failure.consequence(f.outcome))
}

func (c *client) logNoStore() {
	if !c.hasNoStore {
		c.hasNoStore = true
		c.host.logf(logWarn, "token service %s forbids by its Cache-Control to keep its tokens: every request waits for a call, as long as it does", c.scope.call.service)
	}
}

// tick writes the sums that are due.
func (c *client) tick() {
	c.failures.tick(c.host)
	c.refusals.tick(c.host)
}

// failureOf is the failure that the cache tells a request of.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, tokencache.ErrTooManyWaiting), errors.Is(err, tokencache.ErrTooManyCallers):
		return &failure{outcome: tooMany, reason: err.Error()}
	case errors.Is(err, tokencache.ErrPanic):
		return &failure{outcome: internalError, reason: err.Error()}
	default:
		return &failure{outcome: callFailed, reason: err.Error()}
	}
}
