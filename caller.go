package main

import "time"

// caller is what a token depends on beside the configuration.
type caller struct {
	key           identity  // hash of the values below; zero where nothing depends on the caller
	call          tokenCall // with the caller's headers, or with its token to be exchanged
	subjectExpiry time.Time // of the token to be exchanged; zero when it does not say
}

// caller reads the request headers that the token depends on. ok is false when the
// token that is to be exchanged is missing.
func (s *scope) caller(headers [][2]string) (c caller, ok bool) {
	h := newHasher()
	var forwarded [][2]string
	for _, name := range s.forwardHeaders {
		for _, header := range headers {
			if header[0] == name {
				h.add(name, header[1])
				forwarded = append(forwarded, header)
			}
		}
	}
	var body []byte
	if s.exchange != nil {
		value, _ := firstHeader(headers, s.exchange.header)
		subject, ok := s.exchange.bearer(value)
		if !ok {
			return caller{}, false
		}
		h.add("subject", subject)
		body = s.exchange.body(subject)
		c.subjectExpiry, _ = jwtExpiry(subject)
	}
	c.key = h.sum()
	c.call = s.call.with(forwarded, body)
	return c, true
}
