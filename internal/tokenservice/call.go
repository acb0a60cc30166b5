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
	Headers [][2]string // with :method, :path and :authority
	Body    []byte
}

// version is the plugin's, which make puts here when it links the file.
var version = "development"

// defaultHeaders say who calls, as firewalls refuse calls that don't, and that no coding is read; without the latter a
// server may choose one (RFC 9110 section 12.5.3).
func defaultHeaders() [][2]string {
	return [][2]string{{"user-agent", "token-fetch/" + version}, {"accept-encoding", "identity"}}
}

// addDefaults completes the call by those that are not configured. One that is forwarded is the client's, and the
// default where the client has none.
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

// Call is what the service is asked for the caller's token; c is nil where tokens do not depend on the caller. now
// is the time of day, which a signed assertion bears; the error says that it could not be signed.
func (s *Service) Call(c *Caller, now time.Time) (Call, error) {
	// The service's own slices are shared by all calls and stay unchanged.
	call := s.call
	if c != nil {
		call.Headers = append(call.Headers[:len(call.Headers):len(call.Headers)], c.forwarded...)
		for _, header := range s.fallback {
			if _, isForwarded := FirstHeader(c.forwarded, header[0]); !isForwarded {
				call.Headers = append(call.Headers, header)
			}
		}
	}
	if c != nil && s.exchange != nil {
		call.Body = s.exchange.body(c)
	}
	if s.assertion == nil {
		return call, nil
	}
	signed, err := s.assertion.signed(now)
	if err != nil {
		return Call{}, err
	}
	call.Body = slices.Concat(call.Body, []byte("&client_assertion="+signed)) // whose characters need no encoding
	return call, nil
}

// call reads the request but for what comes from the caller, and the service's address.
func (r reader) call(service *Service, auth *oauth2) Call {
	// In the order in which the guide's sample checked them.
	path := r.requestPath()
	host := r.address(service)
	body := r.requestBody(auth)
	method := r.requestMethod(auth != nil || body != nil)
	headers := append([][2]string{
		{":method", method},
		{":path", path},
		{":authority", host},
	}, r.requestHeaders(auth)...)
	if body == nil && (method == "POST" || method == "PUT" || method == "PATCH") {
		// Envoy's client sends no length for an empty body; some servers answer 411 then.
		headers = append(headers, [2]string{"content-length", "0"})
	}
	if service.Retries > 0 {
		// Envoy's own client makes the retries and does not send these on.
		headers = append(headers,
			[2]string{"x-envoy-retry-on", "connect-failure,reset,5xx"},
			[2]string{"x-envoy-max-retries", strconv.Itoa(service.Retries)})
	}
	return Call{Headers: headers, Body: body}
}

// isVisible reports whether a text can stand in a request's path or authority: its characters are
// visible ASCII, so that it does not break the request's first line.
func isVisible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// requestPath is sent as it is written, but for a leading slash.
func (r reader) requestPath() string {
	path := r.StringIn(keyRequestPath, func(template.Template) template.Syntax { return template.Target })
	if path == "" && r.isEnabled {
		r.Missing(keyRequestPath)
	}
	if !isVisible(path) || strings.Contains(path, "#") {
		r.Wrong(keyRequestPath, "path and query, with spaces, # and other special characters escaped")
	}
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		r.Wrong(keyRequestPath, "path and query only; the host goes to serviceHost")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
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

func (r reader) requestBody(auth *oauth2) []byte {
	contentType := ""
	for _, header := range r.Members(keyRequestHeaders) {
		if strings.EqualFold(header.Name, "content-type") {
			contentType = header.Value
		}
	}
	body := r.StringIn(keyRequestBody, func(t template.Template) template.Syntax { return t.BodySyntax(contentType) })
	switch {
	case body == "" && auth == nil:
		return nil
	case body == "":
		return auth.body()
	case auth != nil:
		r.Fail("invalid %s in config: oauth2 makes the body itself (want more form fields in oauth2.params)", r.Name(keyRequestBody))
	}
	return []byte(body)
}

// requestHeaders are the configured ones, then those that OAuth 2.0 needs.
func (r reader) requestHeaders(auth *oauth2) [][2]string {
	var headers [][2]string
	for _, header := range r.Members(keyRequestHeaders) {
		name := strings.ToLower(header.Name)
		switch {
		case name == "host":
			r.WrongMember(keyRequestHeaders, header.Name, "it in serviceHost")
		case !IsSettableHeader(name):
			r.WrongMember(keyRequestHeaders, header.Name, WantSettableHeader)
		case !IsHeaderValue(header.Value):
			r.WrongMember(keyRequestHeaders, header.Name, WantHeaderValue)
		}
		headers = append(headers, [2]string{name, header.Value})
	}
	return auth.addHeaders(headers)
}
