package tokenservice

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Why a request's token can't be exchanged.
var (
	ErrNoSubjectToken = errors.New("the request has no bearer token to exchange")
	ErrNoActorToken   = errors.New("the request has no actor token")
	// ErrAnonymous is for a request without a token that, with allowMissing, is forwarded without one.
	ErrAnonymous = errors.New("the request brings no token, and gets none")
)

// Caller holds the values of a client's request that tokens depend on.
type Caller struct {
	service *Service
	values  string // as encoded by AppendCaller; given has slices of it
	key     [16]byte
	given   []given
}

// given is a value of the request, with the index of its input.
type given struct {
	input int
	text  string
}

// Values identifies the caller. It contains secrets.
func (c *Caller) Values() string { return c.values }

// Key is a hash of Values.
func (c *Caller) Key() [16]byte { return c.key }

// Size is the caller's size in memory, in bytes.
func (c *Caller) Size() int {
	const sizeOfGiven = 24
	return len(c.values) + len(c.given)*sizeOfGiven
}

// subjectLeeway is how long after its exp a caller's token is still sent to the authorization server, whose clock
// decides. It is the same as in Envoy's jwt_authn.
const subjectLeeway = 60 * time.Second

// HasExpired reports whether a token to be exchanged expired, by its own unverified exp, more than subjectLeeway ago.
func (c *Caller) HasExpired(now time.Time) bool {
	expiry, ok := c.expiry()
	return ok && !now.Before(expiry.Add(subjectLeeway))
}

// expiry is when the first of the caller's tokens expires, if any of them says.
func (c *Caller) expiry() (first time.Time, ok bool) {
	for _, g := range c.given {
		if c.service.inputs[g.input].reading != bearer {
			continue
		}
		if expiry, hasExpiry := jwtExpiry(g.text); hasExpiry && (!ok || expiry.Before(first)) {
			first, ok = expiry, true
		}
	}
	return first, ok
}

// AppendCaller appends the values of the request headers that the token depends on. The error is ErrNoSubjectToken,
// ErrNoActorToken, ErrAnonymous or *MissingError. Requests that find their token in the cache need only this, not a
// Caller.
//
// Each value is prefixed with the index of its input and its length, so that different values never have the same
// encoding.
func (s *Service) AppendCaller(to []byte, headers [][2]string) ([]byte, error) {
	var missing error
	for number := range s.inputs {
		switch values, err := s.inputs[number].append(to, number, headers); {
		case err == nil:
			to = values
		case s.inputs[number].reading == bearer:
			return nil, err
		case missing == nil:
			missing = err // unless the subject's token is missing too: that error says more
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

// Caller decodes what AppendCaller encoded. Nothing else of the request is sent to the token service.
func (s *Service) Caller(values []byte) *Caller {
	c := &Caller{service: s, values: string(values)}
	digest := sha256.Sum256(values)
	copy(c.key[:], digest[:]) // half of it is enough to be unique
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

// text returns the caller's value of an input.
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

// forwarded returns the headers of the caller's request to send along.
func (s *Service) forwarded(c *Caller) (headers [][2]string) {
	if c == nil {
		return nil
	}
	for _, g := range c.given {
		if in := s.inputs[g.input]; in.reading == lines && g.input < s.ownInputs {
			headers = append(headers, [2]string{in.origin.Name, g.text})
		}
	}
	return headers
}
