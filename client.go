package main

import (
	"time"
)

// host is what the plugin's core needs of the gateway. pluginContext is the real
// one; tests have their own.
type host interface {
	sharedStore
	// monotonic is the clock that all workers of the process share, in nanoseconds from some start.
	monotonic() time.Duration
	// wallClock is for the dates in answers only.
	wallClock() time.Time
	// wakeRoot has startCalls run soon, outside of any request.
	wakeRoot()
	// dispatch makes a call. It returns an error when there is none under way; else
	// done is told exactly once, unless the context that dispatched it goes before.
	dispatch(call tokenCall, withBody bool, done answered) *failure
	// logf writes a line for the operator.
	logf(level logLevel, format string, args ...any)
}

// answered is told what came of a call.
type answered interface{ answered(a answer) }

type logLevel int

const (
	logDebug logLevel = iota
	logInfo
	logWarn
	logError
)

// client makes the token calls of a scope and reads their answers.
type client struct {
	scope   *scope
	host    host
	metrics *metrics
	log     failureLog
}

func newClient(s *scope, h host, m *metrics) *client {
	return &client{scope: s, host: h, metrics: m, log: failureLog{service: s.call.service}}
}

// send makes a call; done is told its answer. An error means that none is under way.
func (c *client) send(call tokenCall, done answered) *failure {
	failed := c.host.dispatch(call, c.scope.answer.needsBody, done)
	if failed != nil {
		c.logFailure(*failed)
		return failed
	}
	c.metrics.calls.increment()
	return nil
}

// receive reads the answer to a call that was sent at that time.
func (c *client) receive(a answer, sentAt time.Duration) (values []string, failed failure) {
	now := c.host.monotonic()
	took := now - sentAt
	c.metrics.callDuration.record(took)
	injectFault(faultOnAnswer)
	values, failed = c.scope.answer.read(a)
	if failed.outcome != gotToken {
		c.metrics.callFailures.increment()
		c.logFailure(failed)
		return nil, failed
	}
	c.log.succeeded(c.host)
	c.log.debug(c.host, now, a.status, took)
	return values, failure{}
}

func (c *client) logFailure(f failure) {
	c.log.failed(c.host, f, c.scope.failure.consequence(f.outcome))
}
