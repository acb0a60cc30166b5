package tokenservice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// maxTokenBytes limits a token, and each other value that is set as a header.
const maxTokenBytes = 16 << 10

// MaxAnswerBytes limits the body that is read; a token service's answers are small.
const MaxAnswerBytes = 1 << 20

// Answer is what came of a token call.
type Answer struct {
	Status  int         // 0 when none came: a timeout, a reset or no connection
	Headers [][2]string // names in lower case
	Body    []byte      // at most MaxAnswerBytes and one more
	// of the body, which is looked at once for many paths
	isChecked, isJSON bool
}

// answerReader knows how to find the token in an answer.
type answerReader struct {
	any2xx         bool   // also another 2xx than 200 is good
	tokenPath      string // gjson path of the token in the body; empty: it is in responseHeader
	responseHeader string // lower-case
	prefix         string
	isBearer       bool // token_type must agree with the prefix, which is bearerPrefix
	upstream       []upstreamHeader
	conditions     []condition
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

// read returns the values of the protected headers, the token first and
// "" for one that is missing, or what went wrong.
func (r *answerReader) read(a *Answer, now time.Time) (values []string, failed *Failure) {
	switch {
	case a.Status == 0:
		return nil, &Failure{Kind: Unavailable, Reason: "got no answer: timeout, reset or no connection"}
	case !r.accepts(a.Status):
		return nil, r.refusal(a, now)
	case len(a.Body) > MaxAnswerBytes:
		return nil, &Failure{Kind: Refused, Reason: fmt.Sprintf("answered more than %d bytes", MaxAnswerBytes)}
	}
	for _, condition := range r.conditions {
		if !condition.holds(a) {
			return nil, &Failure{Kind: Refused, Reason: fmt.Sprintf("answered %d, but successWhen does not hold for %s", a.Status, condition.name())}
		}
	}
	token := r.token(a)
	switch {
	case token == "":
		return nil, &Failure{Kind: NoToken, Reason: fmt.Sprintf("answered %d without a usable token%s", a.Status, inParentheses(oauthError(a)))}
	case r.isBearer && !a.hasBearerToken():
		return nil, &Failure{Kind: NoToken, Reason: fmt.Sprintf("answered %d with a token whose token_type is not Bearer, and no %s says what to put before it",
			a.Status, keyTokenPrefix.Name)}
	}
	values = append(values, token)
	for _, header := range r.upstream {
		values = append(values, header.value(a))
	}
	return values, nil
}

// refusal is the failure that another status than a good one stands for.
func (r *answerReader) refusal(a *Answer, now time.Time) *Failure {
	code := oauthError(a)
	f := &Failure{Kind: Refused, Reason: fmt.Sprintf("answered %d%s%s", a.Status, inParentheses(code), statusHint(a.Status))}
	switch {
	case a.Status/100 == 5 || a.Status == 429:
		f.Kind = Unavailable
		f.RetryAfter = retryAfter(a, now)
	case r.hasSubject && (a.Status == 400 || a.Status == 401) && slices.Contains(subjectErrors, code):
		f.Kind = SubjectRefused
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
func (r *answerReader) token(a *Answer) string {
	var token string
	if r.tokenPath == "" {
		token, _ = FirstHeader(a.Headers, r.responseHeader)
	} else if value := a.json(r.tokenPath); value.Type == gjson.String || value.Type == gjson.Number {
		token = value.String()
	}
	token = strings.Trim(token, " ")
	if token == "" || len(token) > maxTokenBytes || !IsHeaderValue(token) {
		return ""
	}
	if isScheme(r.prefix) && len(token) >= len(r.prefix) && strings.EqualFold(token[:len(r.prefix)], r.prefix) {
		return strings.Clone(token) // some services answer with "Bearer …" already
	}
	return r.prefix + strings.Clone(token) // not a part of the answer, which would be kept as long
}

const bearerPrefix = "Bearer "

// hasBearerToken reports whether whoever has the token may use it (RFC 6749 section 7.1). One of another type, such as
// DPoP, also needs a proof that the upstream would miss. A token_type of N_A (RFC 8693 section 2.2.1) says nothing
// about that, and so does none.
func (a *Answer) hasBearerToken() bool {
	value := a.json("token_type")
	return value.Type == gjson.Null || value.Type == gjson.String && (strings.EqualFold(value.Str, "Bearer") || value.Str == "N_A")
}

func isScheme(prefix string) bool { return len(prefix) > 1 && strings.HasSuffix(prefix, " ") }

// json reads the body at a gjson path; what is not JSON has nothing anywhere.
func (a *Answer) json(path string) gjson.Result {
	if !a.isChecked {
		a.isChecked, a.isJSON = true, schema.ValidJSON(a.Body)
	}
	if !a.isJSON {
		return gjson.Result{}
	}
	return gjson.GetBytes(a.Body, path)
}

func (h upstreamHeader) value(a *Answer) string {
	text, _ := a.text(h.header, h.path)
	text = strings.Trim(text, " ")
	if len(text) > maxTokenBytes || !IsHeaderValue(text) {
		return ""
	}
	return strings.Clone(text)
}

// text is a response header's or a JSON value's text; objects and lists are their JSON.
func (a *Answer) text(header, path string) (string, bool) {
	if header != "" {
		return FirstHeader(a.Headers, header)
	}
	value := a.json(path)
	return value.String(), value.Type != gjson.Null
}

func (c condition) holds(a *Answer) bool {
	text, found := a.text(c.header, c.path)
	return found && slices.Contains(c.equals, text)
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
	return r.tokenPath != "" ||
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
