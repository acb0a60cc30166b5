package tokenservice

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Why a request is not fit for an exchange.
var (
	ErrNoSubjectToken = errors.New("the request has no bearer token to exchange")
	ErrNoActorToken   = errors.New("the request has no token of an actor")
	// ErrAnonymous is of a request that needs no token: with allowMissing, it goes on without.
	ErrAnonymous = errors.New("the request brings no token, and gets none")
)

// Caller is what a token depends on beside the configuration: values of the client's request.
type Caller struct {
	service *Service
	values  string // as AppendCaller writes them; those below are parts of it
	key     [16]byte
	given   []given
}

// given is a value of the request, and the number of its input.
type given struct {
	input int
	text  string
}

// Values tells callers apart. It has their secrets.
func (c *Caller) Values() string { return c.values }

// Key tells callers apart as well. It is a hash of the values.
func (c *Caller) Key() [16]byte { return c.key }

// Size is what the caller keeps in memory, in bytes.
func (c *Caller) Size() int {
	const sizeOfGiven = 24
	return len(c.values) + len(c.given)*sizeOfGiven
}

// subjectLeeway is how long after its exp a caller's token still goes to the authorization server, whose clock decides.
// Envoy's jwt_authn has the same.
const subjectLeeway = 60 * time.Second

// HasExpired reports whether a token that is to be exchanged says so itself, and has for subjectLeeway. It is not verified.
func (c *Caller) HasExpired(now time.Time) bool {
	expiry, ok := c.expiry()
	return ok && !now.Before(expiry.Add(subjectLeeway))
}

// expiry is when the first of the caller's tokens expires, as far as they say so.
func (c *Caller) expiry() (first time.Time, ok bool) {
	for _, g := range c.given {
		if c.service.inputs[g.input].reading != bearer {
			continue
		}
		if expiry, says := jwtExpiry(g.text); says && (!ok || expiry.Before(first)) {
			first, ok = expiry, true
		}
	}
	return first, ok
}

// AppendCaller appends the values of the request headers that the token depends on. The error is
// ErrNoSubjectToken, ErrNoActorToken, ErrAnonymous or *MissingError. It is apart from Caller for requests that find their token: they need no more.
//
// Each value has the number of its input and its length before it, so that
// different values can't look the same, wherever one ends and the next begins.
func (s *Service) AppendCaller(to []byte, headers [][2]string) ([]byte, error) {
	var missing error
	for number := range s.inputs {
		switch values, err := s.inputs[number].append(to, number, headers); {
		case err == nil:
			to = values
		case s.inputs[number].reading == bearer:
			return nil, err
		case missing == nil:
			missing = err // unless there is no token to be exchanged either: that says more
		}
	}
	if missing != nil {
		return nil, missing
	}
	return to, nil
}

func appendValue(to []byte, number int, value string) []byte {
	to = binary.AppendUvarint(to, uint64(number)) //nolint:gosec // of an input
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

// Caller is the one whose values AppendCaller has written. What the token service is sent comes from nothing else.
func (s *Service) Caller(values []byte) *Caller {
	c := &Caller{service: s, values: string(values)}
	digest := sha256.Sum256(values)
	copy(c.key[:], digest[:]) // half of it tells apart whatever there will be
	for at := 0; at < len(values); {
		number, size := binary.Uvarint(values[at:])
		at += size
		length, size := binary.Uvarint(values[at:])
		at += size
		value := c.values[at : at+int(length)] //nolint:gosec // of what AppendCaller has appended
		at += len(value)
		c.given = append(c.given, given{int(number), value}) //nolint:gosec // of an input
	}
	return c
}

// text is the caller's value for an input that has one.
func (c *Caller) text(in input) (string, bool) {
	if c == nil {
		return "", false
	}
	for _, g := range c.given {
		if c.service.inputs[g.input].is(in) {
			return g.text, true
		}
	}
	return "", false
}

// forwarded are the headers of the caller's request that the call sends along.
func (s *Service) forwarded(c *Caller) (headers [][2]string) {
	if c == nil {
		return nil
	}
	for _, g := range c.given {
		if in := s.inputs[g.input]; in.reading == lines && g.input < s.own {
			headers = append(headers, [2]string{in.origin.Name, g.text})
		}
	}
	return headers
}
