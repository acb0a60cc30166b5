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
	values    string // as AppendCaller writes them; those below are parts of it
	key       [16]byte
	forwarded [][2]string
	tokens    [2]string // to be exchanged: the subject's, and the actor's; empty without
}

// Values tells callers apart. It has their secrets.
func (c *Caller) Values() string { return c.values }

// Key tells callers apart as well. It is a hash of the values.
func (c *Caller) Key() [16]byte { return c.key }

// Size is what the caller keeps in memory, in bytes.
func (c *Caller) Size() int {
	const headerStrings = 32 // of a name and a value
	return len(c.values) + len(c.forwarded)*headerStrings
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
	for _, token := range c.tokens {
		if expiry, says := jwtExpiry(token); says && (!ok || expiry.Before(first)) {
			first, ok = expiry, true
		}
	}
	return first, ok
}

// AppendCaller appends the values of the request headers that the token depends on. The error is
// ErrNoSubjectToken, ErrNoActorToken or ErrAnonymous. It is apart from Caller for requests that find their token: they need no more.
//
// Each value has the number of its header in the configuration and its length before it, so that
// different values can't look the same, wherever one ends and the next begins.
func (s *Service) AppendCaller(to []byte, headers [][2]string) ([]byte, error) {
	for number, name := range s.forward {
		for _, header := range headers {
			if header[0] == name {
				to = appendValue(to, number, header[1])
			}
		}
	}
	if s.exchange == nil {
		return to, nil
	}
	for i, token := range s.exchange.tokens {
		value, isOne := onlyHeader(headers, token.header)
		text, ok := token.bearer(value)
		switch {
		case !isOne:
			return nil, token.missing
		case ok:
		case i == 0 && s.exchange.allowsMissing && token.isAbsent(value):
			return nil, ErrAnonymous
		default:
			return nil, token.missing
		}
		to = appendValue(to, len(s.forward)+i, text)
	}
	return to, nil
}

// onlyHeader is the value of the header, "" without one. isOne is false for several lines of it: of two tokens one would be
// exchanged, and the upstream could take the other.
func onlyHeader(headers [][2]string, name string) (value string, isOne bool) {
	isOne = true
	found := false
	for _, header := range headers {
		if header[0] == name {
			value, isOne, found = header[1], !found, true
		}
	}
	return value, isOne
}

func appendValue(to []byte, number int, value string) []byte {
	to = binary.AppendUvarint(to, uint64(number)) //nolint:gosec // of a configured header
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

// Caller is the one whose values AppendCaller has written. What the token service is sent comes from nothing else.
func (s *Service) Caller(values []byte) *Caller {
	c := &Caller{values: string(values)}
	digest := sha256.Sum256(values)
	copy(c.key[:], digest[:]) // half of it tells apart whatever there will be
	for at := 0; at < len(values); {
		number, size := binary.Uvarint(values[at:])
		at += size
		length, size := binary.Uvarint(values[at:])
		at += size
		value := c.values[at : at+int(length)] //nolint:gosec // of what AppendCaller has appended
		at += len(value)
		if forwarded := uint64(len(s.forward)); number >= forwarded {
			c.tokens[number-forwarded] = value
			continue
		}
		c.forwarded = append(c.forwarded, [2]string{s.forward[number], value})
	}
	return c
}
