package tokenservice

import (
	"bytes"
	"fmt"
	"net/url"
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
	// document is the body as JSON; nil if it is not JSON, or not checked yet. It is kept because many paths are looked
	// up in it.
	document  []byte
	isChecked bool
	// token is what read has found, without what is put around it.
	token string
}

// responseReader finds the token in a response.
type responseReader struct {
	statuses       []int    // of a successful response; nil: any 2xx
	tokenIn        string   // one of the tokenIn constants
	tokenPath      string   // gjson path
	responseHeader string   // in lower case
	cookies        []string // names
	asCookies      bool     // they go upstream as cookies
	wrapping
	isBare     bool // for a named token: strip the scheme from the value
	isBearer   bool // token_type must match the prefix, which is bearerPrefix
	upstream   []upstreamHeader
	conditions []condition
	refusals   []refusal
	hasSubject bool   // the call exchanges a caller's token, which the service may refuse
	isEncoded  bool   // the call has the client's credentials in Authorization, where encoding has changed them
	ownCodings string // Accept-Encoding from requestHeaders, in lower case
	readsBody  bool   // something configured is in the body
	timeout    time.Duration
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

// refusal is an entry of refusedWhen. All that is set must hold.
type refusal struct {
	statuses []int // nil: any
	condition
}

// read returns the values of the protected headers, the token first and "" for one that is missing, or why there is no
// token.
func (r *responseReader) read(resp *Response, now time.Time) (values []string, failed *token.Error) {
	switch {
	case resp.Status == 0:
		return nil, &token.Error{Reason: token.NoAnswer, Detail: r.noAnswer(resp)}
	case slices.ContainsFunc(r.refusals, func(f refusal) bool { return f.holds(resp) }):
		return nil, &token.Error{Reason: token.SubjectRefused, Status: resp.Status, Detail: fmt.Sprintf("answered %d%s", resp.Status, r.errorCodes(resp))}
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
			return nil, &token.Error{Reason: token.BadAnswer, Detail: fmt.Sprintf("answered %d%s, but successWhen does not hold for %s", resp.Status, r.errorCodes(resp), condition.name())}
		}
	}
	value, why := r.token(resp, now)
	switch {
	case why != "":
		return nil, &token.Error{Reason: token.NoToken, Detail: fmt.Sprintf("answered %d without a usable token%s: %s", resp.Status, r.errorCodes(resp), why)}
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

func (r *responseReader) accepts(status int) bool {
	if r.statuses == nil {
		return status/100 == 2
	}
	return slices.Contains(r.statuses, status)
}

// json looks up a gjson path in the body, or in a form as if it were a JSON object of texts; nothing exists in any other
// body.
func (resp *Response) json(path string) gjson.Result {
	if !resp.isChecked {
		resp.isChecked = true
		resp.Body = bytes.TrimPrefix(resp.Body, []byte(byteOrderMark))
		if resp.document = resp.Body; !schema.ValidJSON(resp.Body) {
			resp.document = resp.form()
		}
	}
	return gjson.GetBytes(resp.document, path)
}

// maxFormBytes fits the longest token with every byte percent-encoded.
const maxFormBytes = 4 * maxTokenBytes

// form returns a form as a JSON object; nil if the response is none. Authorization servers older than RFC 6749 answer
// with forms, and some still do unless asked for JSON.
func (resp *Response) form() []byte {
	if len(resp.Body) == 0 || len(resp.Body) > maxFormBytes {
		return nil
	}
	mediaType, _, _ := strings.Cut(resp.contentType(), ";")
	if strings.TrimSpace(mediaType) != formType {
		return nil
	}
	fields, err := url.ParseQuery(resp.text())
	if err != nil || len(fields) == 0 {
		return nil
	}
	var members [][2]string
	for name, values := range fields {
		members = append(members, [2]string{name, values[0]})
	}
	return []byte(jsonObject(members))
}

// contentType returns the Content-Type in lower case.
func (resp *Response) contentType() string {
	value, _ := FirstHeader(resp.Headers, "content-type")
	return strings.ToLower(value)
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

func (f refusal) holds(resp *Response) bool {
	if len(f.statuses) > 0 && !slices.Contains(f.statuses, resp.Status) {
		return false
	}
	isStatusOnly := f.header == "" && f.path == ""
	return isStatusOnly || (f.header != "" || len(resp.Body) <= MaxResponseBytes) && f.condition.holds(resp)
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
		slices.ContainsFunc(r.conditions, func(c condition) bool { return c.path != "" }) ||
		slices.ContainsFunc(r.refusals, func(f refusal) bool { return f.path != "" })
}
