package tokenservice

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

// maxTokenBytes limits a token, and each other value that is set as a header.
const maxTokenBytes = 16 << 10

// MaxAnswerBytes limits the body that is read; a token service's answers are small.
const MaxAnswerBytes = 1 << 20

// Answer is what came of a token call.
type Answer struct {
	Status  int           // 0 when none came: a timeout, a reset or no connection
	Headers [][2]string   // names in lower case
	Body    []byte        // at most MaxAnswerBytes and one more
	Took    time.Duration // from when the call was sent until it came; 0: not known
	// of the body, which is looked at once for many paths
	isChecked, isJSON bool
}

// answerReader knows how to find the token in an answer.
type answerReader struct {
	statuses       []int    // of a good answer; nil: any 2xx
	tokenIn        string   // one of the constants
	tokenPath      string   // gjson path
	responseHeader string   // lower-case
	cookies        []string // names
	asCookies      bool     // they go upstream as cookies
	prefix, suffix string
	isBare         bool // of a named token: a scheme that the answer has before it is no part of it
	isBearer       bool // token_type must agree with the prefix, which is bearerPrefix
	upstream       []upstreamHeader
	conditions     []condition
	hasSubject     bool   // the call exchanges a caller's token, which the answer may refuse
	ownCodings     string // what requestHeaders have as Accept-Encoding, in lower case
	readsBody      bool   // what is configured is in the body
	timeout        time.Duration
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

// read returns the values of the protected headers, the token first and
// "" for one that is missing, or what went wrong.
func (r *answerReader) read(a *Answer, now time.Time) (values []string, failed *token.Error) {
	switch {
	case a.Status == 0:
		return nil, &token.Error{Reason: token.NoAnswer, Detail: r.noAnswer(a)}
	case !r.accepts(a.Status):
		return nil, r.refusal(a, now)
	case len(a.Body) > MaxAnswerBytes:
		return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered more than %d bytes", MaxAnswerBytes)}
	}
	if coding, isCoded := r.coding(a); isCoded {
		return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered %d with Content-Encoding %s, which is not read (the call asks for identity unless %s say otherwise)",
			a.Status, coding, keyRequestHeaders.Name)}
	}
	for _, condition := range r.conditions {
		if !condition.holds(a) {
			return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered %d, but successWhen does not hold for %s", a.Status, condition.name())}
		}
	}
	value, why := r.token(a, now)
	switch {
	case why != "":
		return nil, &token.Error{Reason: token.NoToken, Detail: fmt.Sprintf("answered %d without a usable token%s: %s", a.Status, inParentheses(oauthError(a)), why)}
	case r.isBearer && !a.hasBearerToken():
		return nil, &token.Error{Reason: token.NoToken, Detail: fmt.Sprintf("answered %d with a token whose token_type is not Bearer, and no %s says what to put before it",
			a.Status, keyTokenPrefix.Name)}
	}
	values = append(values, value)
	for _, header := range r.upstream {
		values = append(values, header.value(a))
	}
	return values, nil
}

// refusal is the failure that another status than a good one stands for.
func (r *answerReader) refusal(a *Answer, now time.Time) *token.Error {
	code := oauthError(a)
	e := &token.Error{
		Reason:         reasonOf(a.Status),
		Status:         a.Status,
		IsUnauthorized: a.Status == 400 && (code == "invalid_grant" || code == "invalid_token"),
		Detail:         fmt.Sprintf("answered %d%s%s", a.Status, inParentheses(code), r.statusHint(a.Status)),
	}
	switch {
	case e.Reason.IsUnavailable():
		e.RetryAfter = retryAfter(a, now)
	case r.hasSubject && (a.Status == 400 || a.Status == 401) && slices.Contains(subjectErrors, code):
		e.Reason = token.SubjectRefused
	}
	return e
}

// reasonOf is what a status means that is not a good one.
func reasonOf(status int) token.Reason {
	switch {
	case status/100 == 5:
		return token.ServerError
	case status == 429:
		return token.RateLimited
	case status/100 == 2:
		return token.BadAnswer
	default:
		return token.OtherStatus
	}
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

// noAnswer says which of the reasons it is, as far as the time tells.
func (r *answerReader) noAnswer(a *Answer) string {
	if a.Took >= r.timeout*9/10 { // Envoy's timer and clock differ a little
		return fmt.Sprintf("got no answer within the timeout of %s", r.timeout)
	}
	return fmt.Sprintf("got no answer: reset or no connection after %s", a.Took.Round(time.Millisecond))
}

// statusHint says in whose name a status may be: newer Envoys make up an answer
// where older ones have none.
func (r *answerReader) statusHint(status int) string {
	switch status {
	case 503:
		return " (or Envoy says so, having no connection)"
	case 504:
		return fmt.Sprintf(" (or Envoy says so, having no answer within the timeout of %s)", r.timeout)
	default:
		return ""
	}
}

func (r *answerReader) accepts(status int) bool {
	if r.statuses == nil {
		return status/100 == 2
	}
	return slices.Contains(r.statuses, status)
}

// json reads the body at a gjson path; what is not JSON has nothing anywhere.
func (a *Answer) json(path string) gjson.Result {
	if !a.isChecked {
		a.Body = bytes.TrimPrefix(a.Body, []byte(byteOrderMark))
		a.isChecked, a.isJSON = true, schema.ValidJSON(a.Body)
	}
	if !a.isJSON {
		return gjson.Result{}
	}
	return gjson.GetBytes(a.Body, path)
}

func (h upstreamHeader) value(a *Answer) string {
	var text string
	if h.header != "" {
		text, _ = FirstHeader(a.Headers, h.header)
	} else if value := a.json(h.path); value.Type == gjson.Number {
		text = numberText(value)
	} else {
		text = value.String() // objects and lists are their JSON
	}
	text = strings.Trim(text, " ")
	if len(text) > maxTokenBytes || !IsHeaderValue(text) {
		return ""
	}
	return strings.Clone(text)
}

// numberText is a JSON number as it is written. One with an exponent is none: no text says what was meant, nor does a
// float where it is out of range, as 1e400 is.
func numberText(value gjson.Result) string {
	if strings.ContainsAny(value.Raw, "eE") {
		return ""
	}
	return value.Raw
}

func (c condition) holds(a *Answer) bool {
	if c.header != "" {
		text, found := FirstHeader(a.Headers, c.header)
		return found && slices.Contains(c.equals, text)
	}
	value := a.json(c.path)
	return value.Type != gjson.Null && slices.Contains(c.equals, value.String())
}

func (c condition) name() string {
	if c.header != "" {
		return "header " + c.header
	}
	return "path " + c.path
}

func names(headers []upstreamHeader) []string {
	var names []string
	for _, header := range headers {
		names = append(names, header.name)
	}
	return names
}

func (r *answerReader) needsBody() bool {
	return r.tokenIn == tokenInJSON || r.tokenIn == tokenInBody ||
		slices.ContainsFunc(r.upstream, func(h upstreamHeader) bool { return h.path != "" }) ||
		slices.ContainsFunc(r.conditions, func(c condition) bool { return c.path != "" })
}

// oauthError is the error code of an answer (RFC 6749 section 5.2); empty when it has none. The description
// is left out, as it may quote a secret, and so is a code with unusual characters.
func oauthError(a *Answer) string {
	if len(a.Body) == 0 || len(a.Body) > MaxAnswerBytes {
		return ""
	}
	code := a.json("error")
	if code.Type != gjson.String || len(code.Str) > 40 || strings.Trim(code.Str, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code.Str
}
