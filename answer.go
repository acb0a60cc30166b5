package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// maxAnswerBytes limits the body that is read; a token service's answers are small.
const maxAnswerBytes = 1 << 20

// answer is what came of a token call.
type answer struct {
	status  int // 0 when none came: a timeout, a reset or no connection
	headers [][2]string
	body    []byte
	// of the body, which is looked at once for many paths
	isChecked, isJSON bool
}

// answerReader knows how to find the token in an answer.
type answerReader struct {
	any2xx         bool   // also another 2xx than 200 is good
	tokenPath      string // gjson path of the token in the body; empty: it is in responseHeader
	responseHeader string // lower-case
	prefix         string
	prefixFromType bool // token_type names the prefix
	upstream       []upstreamHeader
	conditions     []condition
	needsBody      bool
	hasSubject     bool // the call exchanges a caller's token, which the answer may refuse
}

// upstreamHeader is a further request header and where in the answer its value is.
type upstreamHeader struct {
	name   string
	header string // lower-case; empty: path is set
	path   string
}

// condition is an entry of successWhen.
type condition struct {
	header string // lower-case; empty: path is set
	path   string
	equals []string
}

// read returns the values of the scope's protected headers, the token first and
// "" for one that is missing, or what went wrong.
func (r *answerReader) read(a *answer, now time.Time) (values []string, failed *failure) {
	switch {
	case a.status == 0:
		return nil, &failure{outcome: callFailed, reason: "got no answer: timeout, reset or no connection", unavailable: true}
	case !r.accepts(a.status):
		return nil, r.refusal(a, now)
	case len(a.body) > maxAnswerBytes:
		return nil, &failure{outcome: callFailed, reason: fmt.Sprintf("answered more than %d bytes", maxAnswerBytes)}
	}
	for _, condition := range r.conditions {
		if !condition.holds(a) {
			return nil, &failure{outcome: callFailed, reason: fmt.Sprintf("answered %d, but successWhen does not hold for %s", a.status, condition.name())}
		}
	}
	token := r.token(a)
	if token == "" {
		return nil, &failure{outcome: noToken, reason: fmt.Sprintf("answered %d without a usable token%s", a.status, inParentheses(oauthError(a)))}
	}
	values = append(values, token)
	for _, header := range r.upstream {
		values = append(values, header.value(a))
	}
	return values, nil
}

// refusal is the failure that another status than a good one stands for.
func (r *answerReader) refusal(a *answer, now time.Time) *failure {
	code := oauthError(a)
	f := &failure{outcome: callFailed, reason: fmt.Sprintf("answered %d%s%s", a.status, inParentheses(code), statusHint(a.status))}
	switch {
	case a.status/100 == 5 || a.status == 429:
		f.unavailable = true
		f.retryAfter = retryAfter(a, now)
	case r.hasSubject && (a.status == 400 || a.status == 401) && contains(subjectErrors, code):
		f.outcome = subjectRefused
	}
	return f
}

// subjectErrors are those by which an authorization server refuses the token that it should
// exchange: RFC 8693 section 2.2.2 and RFC 7521 section 4.1 have the first two, some servers the third.
var subjectErrors = []string{"invalid_request", "invalid_grant", "invalid_token"}

func inParentheses(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

// statusHint says in whose name a status may be: newer Envoys make up an answer
// where older ones have none.
func statusHint(status int) string {
	switch status {
	case 503:
		return " (or Envoy says so, having no connection)"
	case 504:
		return " (or Envoy says so, having no answer in time)"
	default:
		return ""
	}
}

func (r *answerReader) accepts(status int) bool {
	return status == 200 || r.any2xx && status/100 == 2
}

// token returns the token with its prefix, "" when there is none that a header can carry.
func (r *answerReader) token(a *answer) string {
	var token string
	if r.tokenPath == "" {
		token, _ = firstHeader(a.headers, r.responseHeader)
	} else if value := a.json(r.tokenPath); value.Type == gjson.String || value.Type == gjson.Number {
		token = value.String()
	}
	token = strings.Trim(token, " ")
	if token == "" || len(token) > maxTokenBytes || !isHeaderValue(token) {
		return ""
	}
	prefix := r.prefix
	if r.prefixFromType {
		prefix = schemePrefix(a.json("token_type").String())
	}
	if isScheme(prefix) && len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
		return strings.Clone(token) // some services answer with "Bearer …" already
	}
	return prefix + strings.Clone(token) // not a part of the answer, which would be kept as long
}

func isScheme(prefix string) bool { return len(prefix) > 1 && strings.HasSuffix(prefix, " ") }

// json reads the body at a gjson path; what is not JSON has nothing anywhere.
func (a *answer) json(path string) gjson.Result {
	if !a.isChecked {
		a.isChecked, a.isJSON = true, validJSON(a.body)
	}
	if !a.isJSON {
		return gjson.Result{}
	}
	return gjson.GetBytes(a.body, path)
}

func (h upstreamHeader) value(a *answer) string {
	text, _ := a.text(h.header, h.path)
	text = strings.Trim(text, " ")
	if len(text) > maxTokenBytes || !isHeaderValue(text) {
		return ""
	}
	return strings.Clone(text)
}

// text is a response header's or a JSON value's text; objects and lists are their JSON.
func (a *answer) text(header, path string) (string, bool) {
	if header != "" {
		return firstHeader(a.headers, header)
	}
	value := a.json(path)
	return value.String(), value.Type != gjson.Null
}

func (c condition) holds(a *answer) bool {
	text, found := a.text(c.header, c.path)
	return found && contains(c.equals, text)
}

func (c condition) name() string {
	if c.header != "" {
		return "header " + c.header
	}
	return "path " + c.path
}

func (r *answerReader) upstreamNames() []string {
	var names []string
	for _, header := range r.upstream {
		names = append(names, header.name)
	}
	return names
}
