package faults_test

import "math/rand/v2"

// fault is one way in which a token service answers.
type fault struct {
	name   string
	weight int
	play   func(c *conversation) (stays bool) // stays: the connection takes another call
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
	{name: "a good answer", weight: 300, play: playGood, header: gotToken, json: gotToken},
	{name: "a good answer in chunks, with trailers", weight: 15, play: playChunks, header: gotToken, json: gotToken},
	{name: "a token that says its own end, a lifetime in milliseconds", weight: 30, play: playJWT, header: gotToken, json: gotToken},
	{name: "reset before the headers", weight: 10, play: playReset(0), header: unavailable, json: unavailable},
	{name: "reset in the headers", weight: 10, play: playReset(20), header: unavailable, json: unavailable},
	{name: "reset after the headers", weight: 10, play: playResetAfterHeaders, header: unavailable, json: unavailable},
	{name: "closed without an answer", weight: 10, play: playNothingAndClose, header: unavailable, json: unavailable},
	{name: "half a body, then silence", weight: 10, play: playHalf, header: unavailable, json: unavailable},
	{name: "no answer at all", weight: 10, play: playNever, header: unavailable, json: unavailable},
	{name: "an answer after the timeout", weight: 10, play: playLate, header: unavailable, json: unavailable, late: true},
	{name: "a byte every 50 ms", weight: 10, play: playTrickle, header: unavailable, json: unavailable},
	{name: "10 MB", weight: 1, play: playHuge, header: noToken | refused, json: refused},
	{name: "gzip that nobody asked for", weight: 10, play: playGzip, header: gotToken, json: noToken},
	{name: "invalid UTF-8", weight: 10, play: playInvalidUTF8, header: gotToken, json: gotToken},
	{name: "JSON nested 100,000 deep", weight: 10, play: playDeep, header: gotToken, json: noToken},
	{name: "a token twice", weight: 10, play: playTwice, header: gotToken, json: gotToken},
	{name: "a header of 60 kB", weight: 10, play: playLongHeader, header: gotToken, json: gotToken},
	{name: "100 Continue first", weight: 10, play: playContinue, header: gotToken, json: gotToken},
	{name: "a redirect", weight: 10, play: playStatus("302 Found", "Location: /elsewhere"), header: refused, json: refused},
	{name: "closes after the answer", weight: 10, play: playClose, header: gotToken, json: gotToken},
	{name: "more bytes than announced", weight: 10, play: playSurplus, header: gotToken, json: gotToken},
	{name: "nothing: an empty 200", weight: 10, play: playStatus("200 OK"), header: noToken, json: noToken},
	{name: "zero and negative lifetimes", weight: 15, play: playZeroLifetime, header: gotToken, json: gotToken},
	{name: "429 with Retry-After", weight: 3, play: playTooMany, header: unavailable, json: unavailable},
	{name: "500", weight: 5, play: playStatus("500 Internal Server Error"), header: unavailable, json: unavailable},
	{name: "503", weight: 5, play: playStatus("503 Service Unavailable"), header: unavailable, json: unavailable},
	{name: "403", weight: 5, play: playStatus("403 Forbidden"), header: refused, json: refused},
	{name: "HTML", weight: 10, play: playHTML, header: noToken, json: noToken},
	{name: "not HTTP", weight: 5, play: playGreeting, header: unavailable, json: unavailable},
	{name: "a token of 20 KiB", weight: 5, play: playLongToken, header: noToken, json: noToken},
	{name: "a line break in the token", weight: 10, play: playLineBreak, json: noToken, only: inBody},
	{name: "an object where the token should be", weight: 5, play: playObject, json: noToken, only: inBody},
	{name: "401 invalid_client", weight: 5, play: playError("401 Unauthorized", "invalid_client"), json: refused, only: byOAuth},
	{name: "400 invalid_grant", weight: 10, play: playError("400 Bad Request", "invalid_grant"), json: badSubject, only: byOAuth},
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
