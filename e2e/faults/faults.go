package faults

import (
	"math/rand/v2"

	"token-fetch/e2e/harness"
)

// fault is one way in which a token service answers.
type fault struct {
	name   string
	weight int
	serve  func(c *conversation)
	header outcome          // what may come of it where the token is in a header
	json   outcome          // and where it is in the body
	only   func(*rule) bool // nil: every rule
	late   bool             // the answer is good, but comes after the timeout
}

func (f *fault) outcome(r *rule) outcome {
	switch {
	case f.json == badSubject && !r.exchange:
		return refused // there is no subject
	case r.json:
		return f.json
	default:
		return f.header
	}
}

// gateway says what the gateway does, and tells apart where the token is looked for if that matters.
func (f *fault) gateway() string {
	if f.only != nil || f.header == f.json {
		return f.json.gateway()
	}
	return "token in a header: " + f.header.gateway() + "; in the body: " + f.json.gateway()
}

func inBody(r *rule) bool { return r.json }

// allFaults are, with the good answers, what token services do.
var allFaults = []*fault{
	{name: "a good answer", weight: 300, serve: serveGood, header: gotToken, json: gotToken},
	{name: "a good answer in chunks, with trailers", weight: 15, serve: serveChunks, header: gotToken, json: gotToken},
	{name: "a token with its own expiry, a lifetime in milliseconds", weight: 30, serve: serveJWT, header: gotToken, json: gotToken},
	{name: "reset before the headers", weight: 10, serve: plain(harness.Reset()), header: unavailable, json: unavailable},
	{name: "reset in the headers", weight: 10, serve: serveResetInHeaders, header: unavailable, json: unavailable},
	{name: "reset after the headers", weight: 10, serve: serveResetAfterHeaders, header: unavailable, json: unavailable},
	{name: "closed without an answer", weight: 10, serve: plain(harness.Close()), header: unavailable, json: unavailable},
	{name: "half a body, then silence", weight: 10, serve: serveHalf, header: unavailable, json: unavailable},
	{name: "no answer at all", weight: 10, serve: plain(harness.Hang()), header: unavailable, json: unavailable},
	{name: "an answer after the timeout", weight: 10, serve: serveLate, header: unavailable, json: unavailable, late: true},
	{name: "a byte every 50 ms", weight: 10, serve: serveTrickle, header: unavailable, json: unavailable},
	{name: "10 MB", weight: 1, serve: serveHuge, header: noToken | refused, json: refused},
	{name: "unrequested gzip", weight: 10, serve: serveGzip, header: gotToken, json: noToken},
	{name: "invalid UTF-8", weight: 10, serve: serveInvalidUTF8, header: gotToken, json: gotToken},
	{name: "JSON nested 100,000 deep", weight: 10, serve: serveDeep, header: gotToken, json: noToken},
	{name: "a token twice", weight: 10, serve: serveTwice, header: gotToken, json: gotToken},
	{name: "a header of 60 kB", weight: 10, serve: serveLongHeader, header: gotToken, json: gotToken},
	{name: "100 Continue first", weight: 10, serve: serveContinue, header: gotToken, json: gotToken},
	{name: "a redirect", weight: 10, serve: serveRedirect, header: refused, json: refused},
	{name: "closes after the answer", weight: 10, serve: serveClose, header: gotToken, json: gotToken},
	{name: "more bytes than announced", weight: 10, serve: serveSurplus, header: gotToken, json: gotToken},
	{name: "nothing: an empty 200", weight: 10, serve: plain(harness.Status(200)), header: noToken, json: noToken},
	{name: "zero and negative lifetimes", weight: 15, serve: serveZeroLifetime, header: gotToken, json: gotToken},
	{name: "429 with Retry-After", weight: 3, serve: plain(harness.Busy(429, func() string { return "1" })), header: unavailable, json: unavailable},
	{name: "500", weight: 5, serve: plain(harness.Status(500)), header: unavailable, json: unavailable},
	{name: "503", weight: 5, serve: plain(harness.Status(503)), header: unavailable, json: unavailable},
	{name: "403", weight: 5, serve: plain(harness.Status(403)), header: refused, json: refused},
	{name: "HTML", weight: 10, serve: serveHTML, header: noToken, json: noToken},
	{name: "not HTTP", weight: 5, serve: serveGreeting, header: unavailable, json: unavailable},
	{name: "a token of 20 KiB", weight: 5, serve: serveLongToken, header: noToken, json: noToken},
	{name: "a line break in the token", weight: 10, serve: serveLineBreak, json: noToken, only: inBody},
	{name: "an object where the token should be", weight: 5, serve: serveObject, json: noToken, only: inBody},
	{name: "401 invalid_client", weight: 5, serve: serveError(401, "invalid_client"), json: refused, only: (*rule).isOAuth},
	{name: "400 invalid_grant", weight: 10, serve: serveError(400, "invalid_grant"), json: badSubject, only: (*rule).isOAuth},
}

// chooseFault chooses one that suits the rule, by the weights.
func chooseFault(r *rule) *fault {
	for {
		f := choose(allFaults, func(f *fault) int { return f.weight })
		if f.only == nil || f.only(r) {
			return f
		}
	}
}

// choose chooses at random by the weights.
func choose[T any](all []T, weight func(T) int) T {
	total := 0
	for _, one := range all {
		total += weight(one)
	}
	number := rand.IntN(total)
	for _, one := range all {
		if number -= weight(one); number < 0 {
			return one
		}
	}
	panic("nothing chosen")
}
