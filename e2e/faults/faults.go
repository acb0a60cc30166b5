package faults

import "math/rand/v2"

// fault is one way in which a token service answers.
type fault struct {
	name   string
	weight int
	serve  func(c *conversation) (stays bool) // stays: the connection takes another call
	header outcome                            // what may come of it where the token is in a header
	json   outcome                            // and where it is in the body
	only   func(*rule) bool                   // nil: every rule
	late   bool                               // the answer is good, but comes after the timeout
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

func inBody(r *rule) bool  { return r.json }
func byOAuth(r *rule) bool { return r.oauth }

// allFaults are, with the good answers, what token services do.
var allFaults = []*fault{
	{name: "a good answer", weight: 300, serve: serveGood, header: gotToken, json: gotToken},
	{name: "a good answer in chunks, with trailers", weight: 15, serve: serveChunks, header: gotToken, json: gotToken},
	{name: "a token that says its own end, a lifetime in milliseconds", weight: 30, serve: serveJWT, header: gotToken, json: gotToken},
	{name: "reset before the headers", weight: 10, serve: serveReset(0), header: unavailable, json: unavailable},
	{name: "reset in the headers", weight: 10, serve: serveReset(20), header: unavailable, json: unavailable},
	{name: "reset after the headers", weight: 10, serve: serveResetAfterHeaders, header: unavailable, json: unavailable},
	{name: "closed without an answer", weight: 10, serve: serveNothingAndClose, header: unavailable, json: unavailable},
	{name: "half a body, then silence", weight: 10, serve: serveHalf, header: unavailable, json: unavailable},
	{name: "no answer at all", weight: 10, serve: serveNever, header: unavailable, json: unavailable},
	{name: "an answer after the timeout", weight: 10, serve: serveLate, header: unavailable, json: unavailable, late: true},
	{name: "a byte every 50 ms", weight: 10, serve: serveTrickle, header: unavailable, json: unavailable},
	{name: "10 MB", weight: 1, serve: serveHuge, header: noToken | refused, json: refused},
	{name: "gzip that nobody asked for", weight: 10, serve: serveGzip, header: gotToken, json: noToken},
	{name: "invalid UTF-8", weight: 10, serve: serveInvalidUTF8, header: gotToken, json: gotToken},
	{name: "JSON nested 100,000 deep", weight: 10, serve: serveDeep, header: gotToken, json: noToken},
	{name: "a token twice", weight: 10, serve: serveTwice, header: gotToken, json: gotToken},
	{name: "a header of 60 kB", weight: 10, serve: serveLongHeader, header: gotToken, json: gotToken},
	{name: "100 Continue first", weight: 10, serve: serveContinue, header: gotToken, json: gotToken},
	{name: "a redirect", weight: 10, serve: serveStatus("302 Found", "Location: /elsewhere"), header: refused, json: refused},
	{name: "closes after the answer", weight: 10, serve: serveClose, header: gotToken, json: gotToken},
	{name: "more bytes than announced", weight: 10, serve: serveSurplus, header: gotToken, json: gotToken},
	{name: "nothing: an empty 200", weight: 10, serve: serveStatus("200 OK"), header: noToken, json: noToken},
	{name: "zero and negative lifetimes", weight: 15, serve: serveZeroLifetime, header: gotToken, json: gotToken},
	{name: "429 with Retry-After", weight: 3, serve: serveTooMany, header: unavailable, json: unavailable},
	{name: "500", weight: 5, serve: serveStatus("500 Internal Server Error"), header: unavailable, json: unavailable},
	{name: "503", weight: 5, serve: serveStatus("503 Service Unavailable"), header: unavailable, json: unavailable},
	{name: "403", weight: 5, serve: serveStatus("403 Forbidden"), header: refused, json: refused},
	{name: "HTML", weight: 10, serve: serveHTML, header: noToken, json: noToken},
	{name: "not HTTP", weight: 5, serve: serveGreeting, header: unavailable, json: unavailable},
	{name: "a token of 20 KiB", weight: 5, serve: serveLongToken, header: noToken, json: noToken},
	{name: "a line break in the token", weight: 10, serve: serveLineBreak, json: noToken, only: inBody},
	{name: "an object where the token should be", weight: 5, serve: serveObject, json: noToken, only: inBody},
	{name: "401 invalid_client", weight: 5, serve: serveError("401 Unauthorized", "invalid_client"), json: refused, only: byOAuth},
	{name: "400 invalid_grant", weight: 10, serve: serveError("400 Bad Request", "invalid_grant"), json: badSubject, only: byOAuth},
}

// chooseFault chooses by the weights.
func chooseFault(r *rule, random *rand.Rand, healthy bool) *fault {
	if healthy {
		return allFaults[0]
	}
	total := 0
	for _, f := range r.faults {
		total += f.weight
	}
	number := random.IntN(total)
	for _, f := range r.faults {
		if number -= f.weight; number < 0 {
			return f
		}
	}
	panic("no fault chosen")
}

// chooseFaults finds out which of the faults suit a rule.
func chooseFaults(rules []*rule) {
	for _, r := range rules {
		for _, f := range allFaults {
			if f.only == nil || f.only(r) {
				r.faults = append(r.faults, f)
			}
		}
	}
}
