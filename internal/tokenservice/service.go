// Package tokenservice knows what a token service is asked, and what its answer means: the request with its
// credentials, OAuth 2.0, callers whose tokens differ, the token in the answer and its lifetime. It also signs tokens that
// no service is called for. It calls nobody.
//
// A call may refer to what is known only when it is made: values of the client's request (input.go), and named tokens, of
// which each has a Service of its own (link.go). Whatever comes of them is data in the call: TestHostileValues, FuzzReferences.
package tokenservice

import (
	"slices"
	"strings"
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/template"
)

// Service is a token service as the configuration describes it. It never changes.
type Service struct {
	Cluster   string        // exact name of the gateway's cluster; empty: it is that of Name and Port
	Name      string        // FQDN with its service type
	Port      int           // logical port
	Timeout   time.Duration // of a whole call, retries included
	Protected []string      // request headers that only the plugin may set: the token's, then those of upstreamHeaders
	Removed   []string      // further ones, in lower case, that don't go on to the upstream: of the tokens that are exchanged
	// RemovedCookies are the cookies of which the same is true.
	RemovedCookies []string
	NeedsBody      bool     // of a good answer
	Cookies        []string // where the tokenHeader is Cookie: the cookies in it that only the plugin may set; nil elsewhere
	Retries        int      // that Envoy makes of a failed call
	ClientID       string   // OAuth 2.0, for the log: as it is written, with variables by their names; empty: none

	call       Call         // but for what comes from the caller
	late       []lateHeader // of the call, with references
	lateBody   template.Template
	form       *form        // nil but for OAuth 2.0
	forward    []string     // headers of the request that causes the call; part of what the token depends on
	fallback   [][2]string  // of these, where the client has none
	trace      []string     // the same, but no part of it
	assertion  *assertion   // nil where the client does not sign its calls
	jwt        *signedToken // nil where a service is called
	answer     answerReader
	lifetime   lifetimes
	isCached   bool // its tokens are kept, so that their lifetimes matter
	isExchange bool // by OAuth 2.0, of a token that is another party's
	// allowsMissing: a request without such a token goes on without one.
	allowsMissing bool

	inputs   []input         // of the client's request, that tokens depend on: its own, then those of the named tokens
	own      int             // of the inputs
	claimsOf template.Origin // whose claims references are to
	links    []link          // to the named tokens that the call refers to
	timeouts time.Duration   // of all calls for these
}

// Part is what a part of the configuration says beside the keys of the service itself.
type Part struct {
	Enabled  bool           // false: what is required may be missing
	Cache    schema.Section // the object that has LifetimeKeys
	IsCached bool           // it is there
	IsNamed  bool           // it is a named token, which is set as no header
}

// Read reads Keys and, from the object cache, LifetimeKeys. What is wrong shows in the section's Err.
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
		lifetime:  readLifetimes(part.Cache, auth != nil),
		isCached:  part.IsCached || auth != nil,
	}
	if auth != nil {
		service.form, service.isExchange, service.allowsMissing = &auth.form, auth.isExchange, auth.allowsMissing
		service.ClientID = auth.clientID
	}
	service.remove(r.spent(service.form, service.Protected))
	r.call(service, auth)
	if auth != nil {
		if auth.assertion != nil && auth.assertion.audience == "" && slices.ContainsFunc(service.late, func(h lateHeader) bool { return h.index == pathIndex }) {
			r.Fail("missing %s in config (want it where %s has references)", r.Name(keyOAuth2, keyAssertionAudience.Name), keyRequestPath.Name)
		}
		service.assertion = auth.assertion.forEndpoint(service.call)
	}
	service.answer = r.answerReader(token, auth, upstream, conditions)
	service.answer.timeout = service.Timeout
	service.answer.ownCodings = strings.ToLower(headerOf(service.call.Headers, "accept-encoding"))
	service.answer.readsBody = service.answer.needsBody() || service.isCached && service.lifetime.isInBody
	if service.answer.asCookies {
		service.Cookies = service.answer.cookies
	}
	service.lifetime.cookies = service.answer.cookies
	service.forward = r.forwarded(service.call, service.form)
	service.trace = r.traced(service)
	service.addDefaults()
	service.NeedsBody = service.answer.needsBody() || service.isCached
	service.readInputs()
	return service
}

// remove has what was spent not go on to the upstream.
func (s *Service) remove(spent []template.Origin) {
	for _, o := range spent {
		switch {
		case o.Kind == template.Cookie && !slices.Contains(s.RemovedCookies, o.Name):
			s.RemovedCookies = append(s.RemovedCookies, o.Name)
		case o.Kind == template.Header && !slices.Contains(s.Removed, o.Name):
			s.Removed = append(s.Removed, o.Name)
		}
	}
}

// KeepsTokens reports whether the section describes an authorization server or signs its tokens: these are always cached.
func KeepsTokens(s schema.Section) bool { return s.Has(keyOAuth2) || (reader{Section: s}).isSigned() }

// TokenHeader is the request header that carries the token, as it is written in the configuration.
func (s *Service) TokenHeader() string { return s.Protected[0] }

// DependsOnCaller reports whether requests need tokens of their own.
func (s *Service) DependsOnCaller() bool { return len(s.inputs) > 0 }

// CallerHeaders are the request headers, in lower case, that the caller depends on.
func (s *Service) CallerHeaders() (names []string) {
	for i := range s.inputs {
		if name := s.inputs[i].header(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// TraceHeaders are the request headers, in lower case, that the request which causes the call sends along.
func (s *Service) TraceHeaders() []string { return s.trace }

// ExchangedHeaders are the request headers, in lower case, that bring tokens to be exchanged. Only as headers: a trailer of that
// name is one that nobody has exchanged.
func (s *Service) ExchangedHeaders() (names []string) {
	for _, in := range s.inputs {
		if in.reading == bearer && in.origin.Kind != template.Query {
			names = append(names, in.header())
		}
	}
	return names
}

// ExchangesTokenHeader reports whether the caller's token to be exchanged comes in the header that carries the token
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

// required is a string that must be there and not be empty, but in a part that is switched off.
func (r reader) required(k *schema.Key) string {
	text := r.String(k)
	if text == "" && r.isEnabled {
		r.Missing(k)
	}
	return text
}

func (r reader) tokenHeader(hasDefault bool) string {
	if r.isNamed {
		return "" // it is set as none
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

// forwarded reads forwardHeaders. They are kept in lower case, as Envoy hands headers out.
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
			r.Suspect(keyForwardHeaders, name+" differs from request to request, so that each makes a token call of its own (want it in "+keyTraceHeaders.Name+")")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// isTrace reports whether a header, in lower case, is another one with each request.
func isTrace(name string) bool {
	return name == "traceparent" || name == "tracestate" || name == "x-request-id" || name == "b3" || strings.HasPrefix(name, "x-b3-")
}

// traced reads traceHeaders, which are kept in lower case.
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
