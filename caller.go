package main

import (
	"time"

	"token-fetch/internal/tokencache"
)

// caller is what a token depends on beside the configuration: values of the client's request.
type caller struct {
	key       tokencache.Key // hash of the values below
	forwarded [][2]string
	subject   string // the token to be exchanged; empty without an exchange
}

var _ tokencache.Caller = (*caller)(nil)

// Key tells callers apart.
func (c *caller) Key() tokencache.Key { return c.key }

// Size is what the caller keeps in memory, in bytes.
func (c *caller) Size() int {
	size := len(c.subject)
	for _, header := range c.forwarded {
		size += len(header[0]) + len(header[1]) + 32 // the two strings' own headers
	}
	return size
}

// subjectExpiry is when the token to be exchanged expires; ok is false when it does not say.
func (c *caller) subjectExpiry() (at time.Time, ok bool) { return jwtExpiry(c.subject) }

// caller reads the request headers that the token depends on. ok is false when the
// token that is to be exchanged is missing.
func (s *scope) caller(headers [][2]string) (c *caller, ok bool) {
	c = &caller{}
	h := newHasher()
	for _, name := range s.forwardHeaders {
		for _, header := range headers {
			if header[0] == name {
				h.add(name, header[1])
				c.forwarded = append(c.forwarded, header)
			}
		}
	}
	if s.exchange != nil {
		value, _ := firstHeader(headers, s.exchange.header)
		if c.subject, ok = s.exchange.bearer(value); !ok {
			return nil, false
		}
		h.add("subject", c.subject)
	}
	c.key = h.sum()
	return c, true
}

// callFor is the token call of a caller; nil where the token does not depend on it.
func (s *scope) callFor(c *caller) tokenCall {
	if c == nil {
		return s.call
	}
	var body []byte
	if s.exchange != nil {
		body = s.exchange.body(c.subject)
	}
	return s.call.with(c.forwarded, body)
}
