package faults

import "strings"

// outcome is what may come of a call, one or several.
type outcome int

const (
	gotToken    outcome = 1 << iota // a token
	noToken                         // a good answer without one
	unavailable                     // no answer, 5xx or 429: the service can't answer
	refused                         // any other status: it won't
	badSubject                      // the caller's own token was refused
)

// gateway says what the gateway does, for the page.
func (o outcome) gateway() string {
	var texts []string
	for i, text := range []string{
		"uses the token",
		"treats it as an answer without a token: `failure`",
		"treats it as a failed call: `failure`, backoff for the whole service, a stale token may serve",
		"treats it as a refusal: `failure`, backoff for this caller, no stale token",
		"answers 401 with `error=\"invalid_token\"`",
	} {
		if o&(1<<i) != 0 {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; or ")
}

// result is the outcome of a request.
type result string

const (
	withToken      result = "forwarded with the token"
	withoutToken   result = "forwarded without"
	denied         result = "denied"
	subjectMissing result = "401 without a token"
	subjectRefused result = "401 for its token"
	left           result = "left"
	wrong          result = "wrong" // nothing that the contract knows
)

var allResults = []result{withToken, withoutToken, denied, subjectMissing, subjectRefused, left, wrong}

// causes are the outcomes of a call that have that result for the requests of the rule: the contract's table.
func (r *rule) causes(of result) (causes outcome) {
	switch of {
	case withToken:
		return gotToken
	case subjectRefused:
		return badSubject
	case withoutToken, denied:
		if r.forwardsNone == (of == withoutToken) {
			causes |= noToken
		}
		if r.forwardsFailed == (of == withoutToken) {
			causes |= unavailable | refused
		}
	}
	return causes
}
