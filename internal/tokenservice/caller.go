package tokenservice

import (
	"errors"
	"time"

	"token-fetch/internal/schema"
)

// ErrNoSubjectToken says that a request brings no token that could be exchanged.
var ErrNoSubjectToken = errors.New("the request has no bearer token to exchange")

// Caller is what a token depends on beside the configuration: values of the client's request.
type Caller struct {
	key       [16]byte // hash of the values below
	forwarded [][2]string
	subject   string // the token to be exchanged; empty without an exchange
}

// Key tells callers apart.
func (c *Caller) Key() [16]byte { return c.key }

// Size is what the caller keeps in memory, in bytes.
func (c *Caller) Size() int {
	const stringHeaders = 32 // of a name and a value
	size := len(c.subject)
	for _, header := range c.forwarded {
		size += len(header[0]) + len(header[1]) + stringHeaders
	}
	return size
}

// HasExpired reports whether the token that is to be exchanged says so itself. It is not verified.
func (c *Caller) HasExpired(now time.Time) bool {
	expiry, ok := jwtExpiry(c.subject)
	return ok && !now.Before(expiry)
}

// Caller reads the request headers that the token depends on. The error is ErrNoSubjectToken.
func (s *Service) Caller(headers [][2]string) (*Caller, error) {
	c := &Caller{}
	h := schema.NewHasher()
	for _, name := range s.forward {
		for _, header := range headers {
			if header[0] == name {
				h.Add(name, header[1])
				c.forwarded = append(c.forwarded, header)
			}
		}
	}
	if s.subject != nil {
		value, _ := FirstHeader(headers, s.subject.header)
		subject, ok := s.subject.bearer(value)
		if !ok {
			return nil, ErrNoSubjectToken
		}
		c.subject = subject
		h.Add("subject", subject)
	}
	c.key = h.Sum()
	return c, nil
}
