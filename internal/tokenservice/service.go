// Package tokenservice knows what a token service is asked, and what its answer means: the request with its
// credentials, OAuth 2.0, callers whose tokens differ, the token in the answer and its lifetime. It calls nobody.
package tokenservice

import (
	"slices"
	"strings"
	"time"

	"token-fetch/internal/schema"
)

// Service is a token service as the configuration describes it. It never changes.
type Service struct {
	Cluster   string        // exact name of the gateway's cluster; empty: it is that of Name and Port
	Name      string        // FQDN with its service type
	Port      int           // logical port
	Timeout   time.Duration // of a whole call, retries included
	Protected []string      // request headers that only the plugin may set: the token's, then those of upstreamHeaders
	Removed   []string      // further ones, in lower case, that don't go on to the upstream: of the tokens that are exchanged
	NeedsBody bool          // of a good answer
	Cookies   []string      // where the tokenHeader is Cookie: the cookies in it that only the plugin may set; nil elsewhere
	Retries   int           // that Envoy makes of a failed call
	ClientID  string        // OAuth 2.0, for the log: as it is written, with variables by their names; empty: none

	call      Call // but for what comes from the caller
	forward   []string
	fallback  [][2]string     // of these, where the client has none
	exchange  *callerExchange // nil but for an exchange of the caller's token
	assertion *assertion      // nil where the client does not sign its calls
	answer    answerReader
	lifetime  lifetimes
	isCached  bool // its tokens are kept, so that their lifetimes matter
}

// Part is what a part of the configuration says beside the keys of the service itself.
type Part struct {
	Enabled  bool           // false: what is required may be missing
	Cache    schema.Section // the object that has LifetimeKeys
	IsCached bool           // it is there
}

// Read reads Keys and, from the object cache, LifetimeKeys. What is wrong shows in the section's Err.
func Read(s schema.Section, part Part) *Service {
	r := reader{s, part.Enabled}
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
		service.exchange = auth.exchange
		service.ClientID = auth.clientID
	}
	service.Removed = r.removed(service.exchange, service.Protected)
	service.call = r.call(service, auth)
	if auth != nil {
		service.assertion = auth.assertion.forEndpoint(service.call)
	}
	service.answer = r.answerReader(token, auth, upstream, conditions)
	service.answer.timeout = service.Timeout
	service.answer.ownCodings = strings.ToLower(headerOf(service.call, "accept-encoding"))
	service.answer.readsBody = service.answer.needsBody() || service.isCached && service.lifetime.isInBody
	if service.answer.asCookies {
		service.Cookies = service.answer.cookies
	}
	service.lifetime.cookies = service.answer.cookies
	service.forward = r.forwarded(service.call, service.exchange)
	service.addDefaults()
	service.NeedsBody = service.answer.needsBody() || service.isCached
	return service
}

// IsOAuth2 reports whether the section describes an authorization server, for which tokens are always cached.
func IsOAuth2(s schema.Section) bool { return s.Has(keyOAuth2) }

// TokenHeader is the request header that carries the token, as it is written in the configuration.
func (s *Service) TokenHeader() string { return s.Protected[0] }

// DependsOnCaller reports whether requests need tokens of their own.
func (s *Service) DependsOnCaller() bool { return len(s.forward) > 0 || s.exchange != nil }

// CallerHeaders are the request headers, in lower case, that the caller depends on.
func (s *Service) CallerHeaders() []string {
	return append(slices.Clone(s.forward), s.exchange.headers()...)
}

// ExchangedHeaders are the request headers, in lower case, whose tokens are exchanged. Only as headers: a trailer of that
// name is one that nobody has exchanged.
func (s *Service) ExchangedHeaders() []string { return s.exchange.headers() }

// ExchangesTokenHeader reports whether the caller's token to be exchanged comes in the header that carries the token
// upstream.
func (s *Service) ExchangesTokenHeader() bool {
	return s.exchange.carries(strings.ToLower(s.TokenHeader()))
}

// reader reads one part of the configuration.
type reader struct {
	schema.Section
	isEnabled bool
}

// required is a string that must be there and not be empty, but in a part that is switched off.
func (r reader) required(k *schema.Key) string {
	text := r.String(k)
	if text == "" && r.isEnabled {
		r.Missing(k)
	}
	return text
}

func (r reader) tokenHeader(isOAuth2 bool) string {
	if isOAuth2 && !r.Has(keyTokenHeader) {
		return "Authorization"
	}
	name := r.required(keyTokenHeader)
	if name != "" && !IsSettableHeader(name) {
		r.Wrong(keyTokenHeader, WantSettableHeader)
	}
	return name
}

// forwarded reads forwardHeaders. They are kept in lower case, as Envoy hands headers out.
func (r reader) forwarded(call Call, e *callerExchange) []string {
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
		if e.carries(name) {
			r.Invalid(keyForwardHeaders, written.Array()[i], "headers without a token to be exchanged, which goes into the form")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
