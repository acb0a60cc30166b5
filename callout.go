package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/higress-group/wasm-go/pkg/wrapper"
)

// tokenCall is the request to the token service, ready to be sent: what
// proxywasm.DispatchHttpCall takes.
type tokenCall struct {
	cluster string
	service string // host name and port of the service, for log lines
	headers [][2]string
	body    []byte
	timeout time.Duration // of the whole call, retries included
}

// with returns the call with more headers and, if it is not nil, another body.
// The receiver's slices are shared by all calls and stay as they are.
func (c tokenCall) with(headers [][2]string, body []byte) tokenCall {
	c.headers = append(c.headers[:len(c.headers):len(c.headers)], headers...)
	if body != nil {
		c.body = body
	}
	return c
}

// hasPort finds the port of a serviceName such as token.dns:8080. Other colons may stand in a name of Nacos.
func hasPort(name string) bool {
	colon := strings.LastIndexByte(name, ':')
	return colon >= 0 && strings.Trim(name[colon+1:], "0123456789") == ""
}

func (s section) tokenCall(of *scope, oauth2 *oauth2) tokenCall {
	// In the order in which the guide's sample checked them.
	path := s.requestPath(of)
	name := s.required(keyServiceName, of)
	if strings.ContainsAny(name, "|/?#@") || strings.ContainsFunc(name, isNoURLRune) || hasPort(name) {
		s.wrong(keyServiceName, "the service's FQDN with its type, without scheme and port, for example token.dns")
	}
	host, port := s.serviceHost(name), s.servicePort()
	client := wrapper.NewClusterClient(wrapper.FQDNCluster{FQDN: name, Host: host, Port: int64(port)})
	call := tokenCall{
		cluster: client.ClusterName(),
		service: name + ":" + strconv.Itoa(port),
		timeout: s.milliseconds(keyTimeout),
		body:    s.requestBody(oauth2),
	}
	method := s.requestMethod(oauth2 != nil || call.body != nil)
	call.headers = append([][2]string{
		{":method", method},
		{":path", path},
		{":authority", host},
	}, s.requestHeaders(oauth2)...)
	if call.body == nil && (method == "POST" || method == "PUT" || method == "PATCH") {
		// Envoy's client sends no length for an empty body; some servers answer 411 then.
		call.headers = append(call.headers, [2]string{"content-length", "0"})
	}
	if retries := s.integer(keyRetries); retries > 0 {
		// Envoy's own client makes the retries and does not send these on.
		call.headers = append(call.headers,
			[2]string{"x-envoy-retry-on", "connect-failure,reset,5xx"},
			[2]string{"x-envoy-max-retries", strconv.Itoa(retries)})
	}
	return call
}

// isNoURLRune tells what can't stand in a request's path or authority without breaking its first line.
func isNoURLRune(r rune) bool { return r <= ' ' || r >= 0x7f }

// requestPath is sent as it is written, but for a leading slash.
func (s section) requestPath(of *scope) string {
	path := s.required(keyRequestPath, of)
	if strings.ContainsFunc(path, isNoURLRune) || strings.Contains(path, "#") {
		s.wrong(keyRequestPath, "path and query, with spaces, # and other special characters escaped")
	}
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		s.wrong(keyRequestPath, "path and query only; the host goes to serviceHost")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

func (s section) serviceHost(serviceName string) string {
	host := s.text(keyServiceHost)
	if host == "" {
		return serviceName
	}
	if strings.ContainsAny(host, "/?#@") || strings.ContainsFunc(host, isNoURLRune) {
		s.wrong(keyServiceHost, "a host name, with its port if it needs one")
	}
	return host
}

func (s section) requestMethod(hasBody bool) string {
	method := s.text(keyRequestMethod)
	switch {
	case method != "":
		return method
	case hasBody:
		return "POST"
	default:
		return "GET"
	}
}

func (s section) requestBody(oauth2 *oauth2) []byte {
	body := s.text(keyRequestBody)
	switch {
	case body == "" && oauth2 == nil:
		return nil
	case body == "":
		return oauth2.body()
	case oauth2 != nil:
		s.reader.fail("invalid %s%s in config: oauth2 makes the body itself (want more form fields in oauth2.params)", s.prefix, keyRequestBody.name)
	}
	return []byte(body)
}

// requestHeaders are the configured ones, then those that OAuth 2.0 needs.
func (s section) requestHeaders(oauth2 *oauth2) [][2]string {
	var headers [][2]string
	for _, header := range s.textMap(keyRequestHeaders) {
		name := strings.ToLower(header.name)
		switch {
		case name == "host":
			s.reader.fail("invalid %s%s.%s in config (want it in serviceHost)", s.prefix, keyRequestHeaders.name, header.name)
		case !isSettableHeader(name):
			s.reader.fail("invalid %s%s.%s in config (want %s)", s.prefix, keyRequestHeaders.name, printable(header.name), wantSettableHeader)
		case !isHeaderValue(header.value):
			s.reader.fail("invalid %s%s.%s in config (want %s)", s.prefix, keyRequestHeaders.name, header.name, wantHeaderValue)
		}
		headers = append(headers, [2]string{name, header.value})
	}
	return oauth2.addHeaders(headers)
}

// jsonPath reads a gjson path. A path that gjson can't use is only found out
// on the answer, so all that is checked is that it is not blank.
func (s section) jsonPath(k *key) string {
	path := s.text(k)
	if s.has(k) && strings.TrimSpace(path) == "" {
		s.wrong(k, "a path into the JSON answer, for example data.token")
	}
	return path
}
