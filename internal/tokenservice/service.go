// Package tokenservice defines what a token service is asked and what its response means: the request with its
// credentials, OAuth 2.0, per-caller tokens, the token in the response and its lifetime. It also signs tokens for which
// no service is called. It makes no calls itself.
//
//	config  ──> Read          turns the configuration into a Service
//	request ──> AppendCaller  reads the values that a request's token depends on; Caller if a call is needed
//	client  ──> Call, Sign    build the request to send, or sign a token
//	client  ──> Grant         turns the response into a token with its lifetime, or the reason why there is none
//
// A call may refer to values that are only known when it is made: from the client's request (input.go), and named
// tokens, each with a Service (link.go).
//
// What must stay true:
//   - Values from outside are only data in a call: TestHostileValues, FuzzReferences.
//   - Different callers never get each other's tokens: TestCallersAreKeptApart.
//   - No token outlives what it or its response says, nor maxTtl: FuzzLifetime, TestClocks.
//   - A response yields values that a header can carry, or an error that shows nothing of the response except error
//     codes: FuzzReadAnswer, TestWhatIsThereInsteadOfAToken, TestLifetimeWarnings.
//   - Untrusted JSON takes bounded stack and linear time: FuzzJSON, FuzzRepeatedJSON.
package tokenservice

import (
	"slices"
	"strings"
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/template"
)

// Service is a token service as configured. It is immutable.
type Service struct {
	Cluster   string        // exact name of the gateway's cluster; empty: derived from Name and Port
	Name      string        // FQDN with service type
	Port      int           // logical port
	Timeout   time.Duration // for a whole call, including retries
	Protected []string      // request headers that only the plugin may set: the token's, then those of upstreamHeaders
	Removed   []string      // other request headers, in lower case, to remove because their tokens are exchanged
	// RemovedCookies are the cookies to remove for the same reason.
	RemovedCookies []string
	NeedsBody      bool     // the body of a successful response is needed
	Cookies        []string // if tokenHeader is Cookie: the cookies that only the plugin may set; otherwise nil
	Retries        int      // of a failed call, by Envoy
	ClientID       string   // for the log: OAuth 2.0 client ID as written, variables not expanded; empty: none

	call            Call             // without the values that differ per call
	headerTemplates []headerTemplate // headers of the call with references
	bodyTemplate    template.Template
	form            *form        // nil without OAuth 2.0
	refreshToken    string       // that each call sends; empty: none, or not always the same
	forward         []string     // request headers sent along; the token depends on them
	fallback        [][2]string  // defaults for those, if the client does not send them
	trace           []string     // request headers sent along; the token does not depend on them
	assertion       *assertion   // nil if the client does not sign its calls
	jwt             *signedToken // nil if a service is called
	response        responseReader
	lifetimes       lifetimePolicy
	isCached        bool // tokens are cached, so their lifetimes matter
	setsRefusals    bool // refusedWhen is set here, not inherited
	isExchange      bool // an OAuth 2.0 grant that exchanges another party's token
	// allowsMissing: requests without such a token are forwarded without one.
	allowsMissing bool

	inputs      []input         // values of the client's request that tokens depend on: the service's own, then those of named tokens
	ownInputs   int             // number of its own inputs
	callerToken template.Origin // where ${caller.token} and ${caller.claim.…} take the token from
	links       []link          // to the named tokens that the call refers to
	timeouts    time.Duration   // sum for all calls for these tokens
}

// Part is what Read needs to know about the part of the configuration in addition to its keys.
type Part struct {
	Enabled  bool           // false: required keys may be missing
	Cache    schema.Section // the object that has LifetimeKeys
	IsCached bool           // it is present
	IsNamed  bool           // a named token, which is not set as a header
}

// Read reads Keys and, from the object cache, LifetimeKeys. Errors show in the section's Err.
func Read(s schema.Section, part Part) *Service {
	r := reader{s, part.Enabled, part.IsNamed}
	if r.isSigned() {
		return r.signed(part)
	}
	auth := r.oauth2()
	token := r.tokenHeader(auth != nil)
	upstream := r.upstreamHeaders(token)
	conditions := r.conditions()
	service := &Service{
		Protected: append([]string{token}, names(upstream)...),
		Timeout:   s.Milliseconds(keyTimeout),
		Retries:   s.Int(keyRetries),
		lifetimes: readLifetimes(part.Cache, auth != nil),
		isCached:  part.IsCached || auth != nil,
	}
	if auth != nil {
		service.form, service.isExchange, service.allowsMissing = &auth.form, auth.isExchange, auth.allowsMissing
		service.ClientID = auth.clientID
		service.refreshToken = auth.form.Get("refresh_token")
	}
	service.remove(r.consumed(service.form, service.Protected))
	r.call(service, auth)
	if auth != nil {
		if auth.assertion != nil && auth.assertion.audience == "" && slices.ContainsFunc(service.headerTemplates, func(h headerTemplate) bool { return h.index == pathIndex }) {
			r.Fail("missing %s in config (want it where %s has references)", r.Name(keyOAuth2, keyAssertionAudience.Name), keyRequestPath.Name)
		}
		service.assertion = auth.assertion.forEndpoint(service.call)
	}
	service.response = r.responseReader(token, auth, upstream, conditions)
	service.response.timeout = service.Timeout
	_, service.setsRefusals = r.Own(keyRefusedWhen.Name)
	service.response.ownCodings = strings.ToLower(headerOf(service.call.Headers, "accept-encoding"))
	service.response.readsBody = service.response.needsBody() || service.isCached && service.lifetimes.isInBody
	if service.response.asCookies {
		service.Cookies = service.response.cookies
	}
	service.lifetimes.cookies = service.response.cookies
	service.forward = r.forwarded(service.call, service.form)
	service.trace = r.traced(service)
	service.addDefaults()
	service.NeedsBody = service.response.needsBody() || service.isCached
	service.readInputs()
	return service
}

// remove marks consumed headers and cookies for removal before the request goes upstream.
func (s *Service) remove(consumed []template.Origin) {
	for _, o := range consumed {
		switch {
		case o.Kind == template.Cookie && !slices.Contains(s.RemovedCookies, o.Name):
			s.RemovedCookies = append(s.RemovedCookies, o.Name)
		case o.Kind == template.Header && !slices.Contains(s.Removed, o.Name):
			s.Removed = append(s.Removed, o.Name)
		}
	}
}

// AlwaysCaches reports whether the section's tokens are always cached: those from an authorization server, or signed by
// the plugin.
func AlwaysCaches(s schema.Section) bool { return s.Has(keyOAuth2) || (reader{Section: s}).isSigned() }

// TokenHeader is the request header that carries the token, as written in the configuration.
func (s *Service) TokenHeader() string { return s.Protected[0] }

// DependsOnCaller reports whether tokens are per caller.
func (s *Service) DependsOnCaller() bool { return len(s.inputs) > 0 }

// TakesBearerToken reports whether tokens depend on a bearer token of the request.
func (s *Service) TakesBearerToken() bool {
	return slices.ContainsFunc(s.inputs, func(in input) bool { return in.reading == bearer })
}

// CallerHeaders are the request headers, in lower case, that identify the caller.
func (s *Service) CallerHeaders() (names []string) {
	for i := range s.inputs {
		if name := s.inputs[i].header(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// TraceHeaders are the headers, in lower case, that are sent along from the request that causes the call.
func (s *Service) TraceHeaders() []string { return s.trace }

// ExchangedHeaders are the request headers, in lower case, that carry tokens to be exchanged. A trailer with such a
// name was not exchanged.
func (s *Service) ExchangedHeaders() (names []string) {
	for _, in := range s.inputs {
		if in.reading == bearer && in.origin.Kind != template.Query {
			names = append(names, in.header())
		}
	}
	return names
}

// ExchangesTokenHeader reports whether the token to be exchanged comes in the same header that carries the token
// upstream.
func (s *Service) ExchangesTokenHeader() bool {
	header := strings.ToLower(s.TokenHeader())
	return header != "cookie" && slices.Contains(s.ExchangedHeaders(), header)
}

// reader reads one part of the configuration.
type reader struct {
	schema.Section
	isEnabled bool
	isNamed   bool
}

// required reads a string that must not be empty, unless the part is disabled.
func (r reader) required(k *schema.Key) string {
	text := r.String(k)
	if text == "" && r.isEnabled {
		r.Missing(k)
	}
	return text
}

func (r reader) tokenHeader(hasDefault bool) string {
	if r.isNamed {
		return "" // not set as a header
	}
	if hasDefault && !r.Has(keyTokenHeader) {
		return "Authorization"
	}
	name := r.required(keyTokenHeader)
	if name != "" && !IsSettableHeader(name) {
		r.InvalidKey(keyTokenHeader, WantSettableHeader)
	}
	return name
}

// forwarded reads forwardHeaders, converted to lower case as in Envoy.
func (r reader) forwarded(call Call, f *form) []string {
	var names []string
	written, _ := r.Value(keyForwardHeaders)
	for i, name := range r.Strings(keyForwardHeaders) {
		if !IsSettableHeader(name) {
			r.Invalid(keyForwardHeaders, written.Array()[i], WantSettableHeader)
		}
		name = strings.ToLower(name)
		if _, set := FirstHeader(call.Headers, name); set {
			r.Invalid(keyForwardHeaders, written.Array()[i], "headers that the token call does not set itself")
		}
		if f.carries(name) {
			r.Invalid(keyForwardHeaders, written.Array()[i], "headers without a token to be exchanged, which goes into the form")
		}
		if isTrace(name) {
			r.Suspect(keyForwardHeaders, name+" differs from request to request, so each one makes a token call (want it in "+keyTraceHeaders.Name+")")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// isTrace reports whether a header, in lower case, has a new value with each request.
func isTrace(name string) bool {
	return name == "traceparent" || name == "tracestate" || name == "x-request-id" || name == "b3" || strings.HasPrefix(name, "x-b3-")
}

// traced reads traceHeaders, converted to lower case.
func (r reader) traced(s *Service) (names []string) {
	written, _ := r.Value(keyTraceHeaders)
	for i, name := range r.Strings(keyTraceHeaders) {
		lower := strings.ToLower(name)
		_, isSet := FirstHeader(s.call.Headers, lower)
		if !IsSettableHeader(name) || isSet || s.form.carries(lower) || slices.Contains(s.forward, lower) {
			r.Invalid(keyTraceHeaders, written.Array()[i], WantSettableHeader+", nor one that the token call has already")
		}
		if !slices.Contains(names, lower) {
			names = append(names, lower)
		}
	}
	return names
}
