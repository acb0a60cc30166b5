package tokenservice

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/template"
)

// Call is the request of a token call, ready to be sent.
type Call struct {
	Headers [][2]string // including :method, :path and :authority
	Body    []byte
}

// version is the plugin's, set by make when linking.
var version = "development"

// defaultHeaders are a User-Agent, without which firewalls refuse calls, and an Accept-Encoding that rules out content
// coding, which a server could otherwise choose (RFC 9110 section 12.5.3).
func defaultHeaders() [][2]string {
	return [][2]string{{"user-agent", "token-fetch/" + version}, {"accept-encoding", "identity"}}
}

// addDefaults adds the default headers that are not configured. If one is forwarded from the client, the default
// applies to clients that do not send it.
func (s *Service) addDefaults() {
	for _, header := range defaultHeaders() {
		_, isConfigured := FirstHeader(s.call.Headers, header[0])
		switch {
		case isConfigured:
		case slices.Contains(s.forward, header[0]):
			s.fallback = append(s.fallback, header)
		default:
			s.call.Headers = append(s.call.Headers, header)
		}
	}
}

// pathIndex is the index of :path among a call's headers.
const pathIndex = 1

// headerTemplate is a header of the call, by index, whose value has references.
type headerTemplate struct {
	index int
	text  template.Template
}

// Call returns the call for the caller's token; c is nil if tokens do not depend on the caller. named are the tokens
// that the call refers to, in the order of Links; trace are headers of the request that causes the call. now is the
// time of day, for signed assertions. The error is *MissingError, or says that signing failed.
func (s *Service) Call(c *Caller, named []string, trace [][2]string, now time.Time) (Call, error) {
	// The service's slices are shared by all calls and must not change.
	call := s.call
	v := &values{service: s, caller: c, named: named}
	if err := s.renderHeaders(&call, v); err != nil {
		return Call{}, err
	}
	more := s.forwarded(c)
	for _, header := range s.fallback {
		if _, isForwarded := FirstHeader(more, header[0]); !isForwarded {
			more = append(more, header)
		}
	}
	if len(more)+len(trace) > 0 { // avoids a copy in the common case
		call.Headers = slices.Concat(call.Headers, more, trace)
	}
	body, err := s.body(v)
	if err != nil {
		return Call{}, err
	}
	call.Body = body
	if s.assertion == nil {
		return call, nil
	}
	signed, err := s.assertion.signed(now)
	if err != nil {
		return Call{}, err
	}
	call.Body = slices.Concat(call.Body, []byte("&client_assertion="+signed)) // base64url needs no encoding in a form
	return call, nil
}

// isFieldValue reports whether value is a complete header value (RFC 9110 section 5.5). HTTP/2 servers may reset a call
// if one has surrounding whitespace, which would look like an unavailable service.
func isFieldValue(value string) bool {
	return IsHeaderValue(value) && strings.Trim(value, " \t") == value
}

func (s *Service) renderHeaders(call *Call, v *values) error {
	if len(s.headerTemplates) == 0 {
		return nil
	}
	call.Headers = slices.Clone(call.Headers)
	for _, header := range s.headerTemplates {
		find := v.findMatching(isFieldValue)
		if header.index == pathIndex {
			find = v.find // in a path, everything is encoded
		}
		text, err := header.text.Render(find)
		if err != nil {
			return err
		}
		call.Headers[header.index][1] = text
	}
	return nil
}

func (s *Service) body(v *values) ([]byte, error) {
	switch {
	case s.form != nil && !s.form.isFixed():
		text, err := s.form.body(v)
		return []byte(text), err
	case !s.bodyTemplate.IsFixed():
		text, err := s.bodyTemplate.Render(v.find)
		return []byte(text), err
	default:
		return s.call.Body, nil
	}
}

// call reads the request, without the values that differ per call, and the service's address.
func (r reader) call(service *Service, auth *oauth2) {
	// Keys are read in the order in which the guide's sample checks them.
	path := r.requestPath()
	host := r.address(service)
	body, hasBody := r.requestBody(auth)
	method := r.requestMethod(auth != nil || hasBody)
	headers := [][2]string{{":method", method}, {":path", ""}, {":authority", host}}
	headers[pathIndex][1] = service.staticText(pathIndex, path)
	headers = r.requestHeaders(service, headers, auth)
	if !hasBody && (method == "POST" || method == "PUT" || method == "PATCH") {
		// Envoy's HTTP client sends no Content-Length with an empty body, which some servers answer with 411.
		headers = append(headers, [2]string{"content-length", "0"})
	}
	if service.Retries > 0 {
		// Envoy makes the retries, and strips these headers.
		headers = append(headers,
			[2]string{"x-envoy-retry-on", "connect-failure,reset,5xx"},
			[2]string{"x-envoy-max-retries", strconv.Itoa(service.Retries)})
	}
	service.call.Headers = headers
	if hasBody {
		service.call.Body, service.bodyTemplate = []byte(body.Text()), body
	}
}

// staticText returns a header's value. If it has references, it records the template for rendering with each call.
func (s *Service) staticText(index int, text template.Template) string {
	if !text.IsFixed() {
		s.headerTemplates = append(s.headerTemplates, headerTemplate{index, text})
	}
	return text.Text()
}

// isVisible reports whether text is visible ASCII only, so that it is safe in a request line and in :authority.
func isVisible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// requestPath reads the path and query, sent as written except that a missing leading slash is added.
func (r reader) requestPath() template.Template {
	text := r.Template(keyRequestPath, func(template.Template) template.Syntax { return template.Target })
	path := text.Text()
	if text.IsEmpty() && r.isEnabled {
		r.Missing(keyRequestPath)
	}
	if !isVisible(path) || strings.Contains(path, "#") {
		r.InvalidKey(keyRequestPath, "path and query, with spaces, # and other special characters escaped")
	}
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		r.InvalidKey(keyRequestPath, "path and query only; the host belongs in serviceHost")
	}
	if !text.HasPrefix("/") {
		return text.After("/")
	}
	return text
}

func (r reader) requestMethod(hasBody bool) string {
	method := r.String(keyRequestMethod)
	switch {
	case method != "":
		return method
	case hasBody:
		return "POST"
	default:
		return "GET"
	}
}

func (r reader) requestBody(auth *oauth2) (body template.Template, ok bool) {
	contentType, isFixed := "", true
	for _, header := range r.Members(keyRequestHeaders) {
		if strings.EqualFold(header.Name, "content-type") {
			contentType, isFixed = header.Value, header.Template.IsFixed()
		}
	}
	syntax := template.Plain
	body = r.Template(keyRequestBody, func(t template.Template) template.Syntax {
		syntax = t.BodySyntax(contentType)
		return syntax
	})
	switch {
	case body.IsEmpty() && auth == nil:
		return body, false
	case body.IsEmpty():
		return template.Literal(auth.form.Encode()), true
	case auth != nil:
		r.Fail("invalid %s in config: oauth2 makes the body itself (want more form fields in oauth2.params)", r.Name(keyRequestBody))
	}
	isForwarded := slices.ContainsFunc(r.Strings(keyForwardHeaders), func(name string) bool { return strings.EqualFold(name, "content-type") })
	if contentType == "" && isFixed && !isForwarded && auth == nil {
		r.Warn(r.Name(keyRequestBody) + " is sent without a Content-Type, which many services demand (want one in " + keyRequestHeaders.Name + ")")
	}
	// Readers decide what the body is; parsed differently than expected, a value could become syntax.
	_, isWhole := body.Whole()
	switch {
	case body.IsFixed():
	case !isFixed || isForwarded:
		r.Fail("invalid %s in config: it has references, and the request decides on the Content-Type (want one in %s, without references)",
			r.Name(keyRequestBody), keyRequestHeaders.Name)
	case syntax == template.Plain && !isWhole:
		r.Fail("invalid %s in config: it has references, and nothing says how to write their values (want JSON, or as Content-Type in %s that of a form, XML or text/plain)",
			r.Name(keyRequestBody), keyRequestHeaders.Name)
	}
	return body, true
}

// requestHeaders appends the configured headers, then those that OAuth 2.0 needs.
func (r reader) requestHeaders(service *Service, headers [][2]string, auth *oauth2) [][2]string {
	for _, header := range r.Members(keyRequestHeaders) {
		name := strings.ToLower(header.Name)
		switch {
		case name == "host":
			r.InvalidMember(keyRequestHeaders, header.Name, "it in serviceHost")
		case !IsSettableHeader(name):
			r.InvalidMember(keyRequestHeaders, header.Name, WantSettableHeader)
		case !IsHeaderValue(header.Value):
			r.InvalidMember(keyRequestHeaders, header.Name, WantHeaderValue)
		}
		headers = append(headers, [2]string{name, service.staticText(len(headers), header.Template)})
	}
	return auth.addHeaders(headers)
}
