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

// maxTokenBytes limits a token, and any other value that is set as a header.
const maxTokenBytes = 16 << 10

// MaxResponseBytes limits the body that is read; token responses are small.
const MaxResponseBytes = 1 << 20

// Response is the response to a token call.
type Response struct {
	Status  int           // 0 if there is none: timeout, reset or no connection
	Headers [][2]string   // names in lower case
	Body    []byte        // at most MaxResponseBytes+1
	Took    time.Duration // from sending the call to receiving the response; 0: unknown
	// Of the body, cached because many paths are looked up in it.
	isChecked, isJSON bool
}

// responseReader finds the token in a response.
type responseReader struct {
	statuses       []int    // of a successful response; nil: any 2xx
	tokenIn        string   // one of the tokenIn constants
	tokenPath      string   // gjson path
	responseHeader string   // in lower case
	cookies        []string // names
	asCookies      bool     // they go upstream as cookies
	prefix, suffix string
	isBare         bool // for a named token: strip the scheme from the value
	isBearer       bool // token_type must match the prefix, which is bearerPrefix
	upstream       []upstreamHeader
	conditions     []condition
	hasSubject     bool   // the call exchanges a caller's token, which the service may refuse
	ownCodings     string // Accept-Encoding from requestHeaders, in lower case
	readsBody      bool   // something configured is in the body
	timeout        time.Duration
}

// upstreamHeader is a further request header and the place of its value in the response.
type upstreamHeader struct {
	name   string
	header string // in lower case; empty: path is set
	path   string
}

// condition is an entry of successWhen.
type condition struct {
	header string // in lower case; empty: path is set
	path   string
	equals []string
}

// read returns the values of the protected headers, the token first and "" for one that is missing, or why there is no
// token.
func (r *responseReader) read(resp *Response, now time.Time) (values []string, failed *token.Error) {
	switch {
	case resp.Status == 0:
		return nil, &token.Error{Reason: token.NoAnswer, Detail: r.noAnswer(resp)}
	case !r.accepts(resp.Status):
		return nil, r.refusal(resp, now)
	case len(resp.Body) > MaxResponseBytes:
		return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered more than %d bytes", MaxResponseBytes)}
	}
	if coding, isCoded := r.coding(resp); isCoded {
		return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered %d with Content-Encoding %s, which is not supported (the call asks for identity unless %s say otherwise)",
			resp.Status, coding, keyRequestHeaders.Name)}
	}
	for _, condition := range r.conditions {
		if !condition.holds(resp) {
			return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered %d, but successWhen does not hold for %s", resp.Status, condition.name())}
		}
	}
	value, why := r.token(resp, now)
	switch {
	case why != "":
		return nil, &token.Error{Reason: token.NoToken, Detail: fmt.Sprintf("answered %d without a usable token%s: %s", resp.Status, inParentheses(oauthError(resp)), why)}
	case r.isBearer && !resp.hasBearerToken():
		return nil, &token.Error{Reason: token.NoToken, Detail: fmt.Sprintf("answered %d with a token whose token_type is not Bearer (set %s to what to put before it)",
			resp.Status, keyTokenPrefix.Name)}
	}
	values = append(make([]string, 0, 1+len(r.upstream)), value)
	for _, header := range r.upstream {
		values = append(values, header.value(resp))
	}
	return values, nil
}

// refusal returns the error for an unsuccessful status.
func (r *responseReader) refusal(resp *Response, now time.Time) *token.Error {
	code := oauthError(resp)
	e := &token.Error{
		Reason:         reasonOf(resp.Status),
		Status:         resp.Status,
		IsUnauthorized: resp.Status == 400 && (code == "invalid_grant" || code == "invalid_token"),
		Detail:         fmt.Sprintf("answered %d%s%s", resp.Status, inParentheses(code), r.statusHint(resp.Status)),
	}
	switch {
	case e.Reason.IsUnavailable():
		e.RetryAfter = retryAfter(resp, now)
	case r.hasSubject && (resp.Status == 400 || resp.Status == 401) && slices.Contains(subjectErrors, code):
		e.Reason = token.SubjectRefused
	}
	return e
}

// reasonOf maps an unsuccessful status to a reason.
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

// subjectErrors are the error codes with which an authorization server refuses the token to be exchanged: the first two
// are from RFC 8693 section 2.2.2 and RFC 7521 section 4.1, the third from practice.
var subjectErrors = []string{"invalid_request", "invalid_grant", "invalid_token"}

func inParentheses(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

// noAnswer describes why there is no response, as far as the elapsed time tells.
func (r *responseReader) noAnswer(resp *Response) string {
	if resp.Took >= r.timeout*9/10 { // Envoy's timer and the clock differ slightly
		return fmt.Sprintf("got no answer within the timeout of %s", r.timeout)
	}
	return fmt.Sprintf("got no answer: reset or no connection after %s", resp.Took.Round(time.Millisecond))
}

// statusHint points out what a status alone does not say: a redirect is usually due to another path, host or scheme;
// 503 and 504 may come from Envoy itself, as newer versions synthesize a response where older ones have none.
func (r *responseReader) statusHint(status int) string {
	switch status {
	case 301, 302, 303, 307, 308:
		return " (redirects are not followed)"
	case 503:
		return " (possibly from Envoy itself: no connection)"
	case 504:
		return fmt.Sprintf(" (possibly from Envoy itself: no answer within the timeout of %s)", r.timeout)
	default:
		return ""
	}
}

func (r *responseReader) accepts(status int) bool {
	if r.statuses == nil {
		return status/100 == 2
	}
	return slices.Contains(r.statuses, status)
}

// json looks up a gjson path in the body; nothing exists in a body that is not JSON.
func (resp *Response) json(path string) gjson.Result {
	if !resp.isChecked {
		resp.Body = bytes.TrimPrefix(resp.Body, []byte(byteOrderMark))
		resp.isChecked, resp.isJSON = true, schema.ValidJSON(resp.Body)
	}
	if !resp.isJSON {
		return gjson.Result{}
	}
	return gjson.GetBytes(resp.Body, path)
}

func (h upstreamHeader) value(resp *Response) string {
	var text string
	if h.header != "" {
		text, _ = FirstHeader(resp.Headers, h.header)
	} else if value := resp.json(h.path); value.Type == gjson.Number {
		text = numberText(value)
	} else {
		text = value.String() // objects and lists as JSON
	}
	text = strings.Trim(text, " ")
	if len(text) > maxTokenBytes || !IsHeaderValue(text) {
		return ""
	}
	return strings.Clone(text)
}

// numberText returns a JSON number as written, or "" if it has an exponent: its text is ambiguous, and its float value
// may be out of range, as with 1e400.
func numberText(value gjson.Result) string {
	if strings.ContainsAny(value.Raw, "eE") {
		return ""
	}
	return value.Raw
}

func (c condition) holds(resp *Response) bool {
	if c.header != "" {
		text, found := FirstHeader(resp.Headers, c.header)
		return found && slices.Contains(c.equals, text)
	}
	value := resp.json(c.path)
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

func (r *responseReader) needsBody() bool {
	return r.tokenIn == tokenInJSON || r.tokenIn == tokenInBody ||
		slices.ContainsFunc(r.upstream, func(h upstreamHeader) bool { return h.path != "" }) ||
		slices.ContainsFunc(r.conditions, func(c condition) bool { return c.path != "" })
}

// oauthError returns the error code of a response (RFC 6749 section 5.2), or "". It ignores the description, which may
// quote a secret, and codes with unusual characters.
func oauthError(resp *Response) string {
	if len(resp.Body) == 0 || len(resp.Body) > MaxResponseBytes {
		return ""
	}
	code := resp.json("error")
	if code.Type != gjson.String || len(code.Str) > 40 || strings.Trim(code.Str, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code.Str
}
