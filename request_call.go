package main

import (
	"time"

	"token-fetch/internal/tokencache"
)

// requestCall is the call of one request for itself. When its client goes away,
// the SDK drops the answer, which nobody else waits for.
type requestCall struct {
	request *requestContext
	sentAt  time.Duration
}

func (c *requestCall) answered(a *answer) {
	defer c.failOnPanic()
	values, failed := c.request.target.client.receive(a, c.sentAt)
	if failed != nil {
		c.request.Fail(failed)
		return
	}
	c.request.Proceed(&tokencache.Token{Values: values})
}

func (c *requestCall) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(c.request.plugin, cause)
		c.request.Fail(tokencache.ErrPanic)
	}
}
