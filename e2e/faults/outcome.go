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

func (o outcome) may(other outcome) bool { return o&other != 0 }

// gateway says what the gateway does, for the page.
func (o outcome) gateway() string {
	var texts []string
	for _, entry := range []struct {
		outcome outcome
		text    string
	}{
		{gotToken, "takes the token"},
		{noToken, "counts it as an answer without a token: `failure`"},
		{unavailable, "counts it as a failed call: `failure`, backoff for the whole service, a stale token may serve"},
		{refused, "counts it as a refusal: `failure`, backoff for this caller, no stale token"},
		{badSubject, "answers 401 with `error=\"invalid_token\"`"},
	} {
		if o.may(entry.outcome) {
			texts = append(texts, entry.text)
		}
	}
	return strings.Join(texts, "; or ")
}

// become is what a request may be answered when its call had the outcome.
func (r *rule) become(o outcome) map[answer]bool {
	may := map[answer]bool{}
	add := func(policy missing) {
		if policy == forwardedThen {
			may[reached] = true
			return
		}
		may[denied] = true
	}
	if o.may(gotToken) {
		may[reached] = true
	}
	if o.may(noToken) {
		add(r.onNone)
	}
	if o.may(unavailable | refused) {
		add(r.onNoCall)
	}
	if o.may(badSubject) {
		may[subjectRefused] = true
	}
	return may
}

// mayGoWithout reports whether a request may reach the upstream without a token after it.
func (r *rule) mayGoWithout(o outcome) bool {
	return o.may(noToken) && r.onNone == forwardedThen || o.may(unavailable|refused) && r.onNoCall == forwardedThen
}
