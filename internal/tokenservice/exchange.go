package tokenservice

import (
	"net/url"
	"slices"
	"strings"

	"token-fetch/internal/schema"
)

// callerExchange is how a caller's own tokens become one for the upstream: by a token exchange (RFC 8693) or
// as an authorization grant (RFC 7523 section 2.1).
type callerExchange struct {
	allowsMissing bool          // a request without a subject's token goes on without one for the upstream
	form          url.Values    // but for the caller's tokens
	tokens        []callerToken // the subject's, then the actor's if there is one
}

// callerToken is a token that the caller's request brings.
type callerToken struct {
	header  string // lower-case name of the request header that carries it
	field   string // of the form
	missing error  // of a request without it
}

// exchange reads the keys of grants that exchange the caller's token; nil for another grant.
func (r reader) exchange(grant string, form url.Values) *callerExchange {
	r.warnOfOtherGrants(grant)
	allowsMissing := r.Bool(keyAllowMissing)
	switch grant {
	case grantTokenExchange:
		form.Set("subject_token_type", r.String(keySubjectTokenType))
		if requested := r.String(keyRequestedTokenType); requested != "" {
			form.Set("requested_token_type", requested)
		}
		subject := r.subjectToken("subject_token")
		return &callerExchange{allowsMissing, form, append([]callerToken{subject}, r.actorToken(form, subject.header)...)}
	case grantJWTBearer:
		return &callerExchange{allowsMissing, form, []callerToken{r.subjectToken("assertion")}}
	default:
		return nil
	}
}

// warnOfOtherGrants warns of keys that belong to another grant; in a rule, only of what it says itself.
func (r reader) warnOfOtherGrants(grant string) {
	for _, k := range []*schema.Key{keySubjectTokenHeader, keyKeepSubjectToken, keyAllowMissing} {
		if _, own := r.Own(k.Name); own && grant != grantTokenExchange && grant != grantJWTBearer {
			r.Unused(k, "it belongs to grantTypes "+grantTokenExchange+" and "+grantJWTBearer)
		}
	}
	for _, k := range []*schema.Key{keySubjectTokenType, keyRequestedTokenType, keyActorTokenHeader, keyActorTokenType} {
		if _, own := r.Own(k.Name); own && grant != grantTokenExchange {
			r.Unused(k, "it belongs to grantType "+grantTokenExchange)
		}
	}
	if _, own := r.Own(keyActorTokenType.Name); own && grant == grantTokenExchange && r.String(keyActorTokenHeader) == "" {
		r.Unused(keyActorTokenType, "there is no "+keyActorTokenHeader.Name)
	}
}

func (r reader) subjectToken(field string) callerToken {
	name := r.String(keySubjectTokenHeader)
	if !IsSettableHeader(name) {
		r.Wrong(keySubjectTokenHeader, WantSettableHeader)
	}
	return callerToken{header: strings.ToLower(name), field: field, missing: ErrNoSubjectToken}
}

// actorToken is who acts for the subject. A client that could leave it out would get a token that does not say so:
// where it is configured, each request must bring it, although RFC 8693 section 2.1 has it optional.
func (r reader) actorToken(form url.Values, subjectHeader string) []callerToken {
	name := r.String(keyActorTokenHeader)
	if name == "" {
		return nil
	}
	switch {
	case !IsSettableHeader(name):
		r.Wrong(keyActorTokenHeader, WantSettableHeader)
	case strings.EqualFold(name, subjectHeader):
		r.Wrong(keyActorTokenHeader, "another header than "+keySubjectTokenHeader.Name)
	}
	form.Set("actor_token_type", r.String(keyActorTokenType))
	return []callerToken{{header: strings.ToLower(name), field: "actor_token", missing: ErrNoActorToken}}
}

// removed are the request headers, in lower case, that have done their duty and don't go on to the upstream. One that
// the plugin sets is replaced or removed anyway.
func (r reader) removed(e *callerExchange, protected []string) []string {
	o := reader{r.Object(keyOAuth2), r.isEnabled}
	keepsSubject := o.Bool(keyKeepSubjectToken)
	if e == nil {
		return nil
	}
	var names []string
	for i, token := range e.tokens {
		isSet := slices.ContainsFunc(protected, func(name string) bool { return strings.EqualFold(name, token.header) })
		isKept := i == 0 && keepsSubject
		switch {
		case isSet && isKept:
			o.Unused(keyKeepSubjectToken, "what the token service answers takes the place of the "+keySubjectTokenHeader.Name)
		case !isSet && !isKept:
			names = append(names, token.header)
		}
	}
	return names
}

// has reports whether a form field comes with each request.
func (e *callerExchange) has(field string) bool {
	return e != nil && slices.ContainsFunc(e.tokens, func(t callerToken) bool { return t.field == field })
}

// headers are those of the caller's tokens.
func (e *callerExchange) headers() (names []string) {
	if e == nil {
		return nil
	}
	for _, token := range e.tokens {
		names = append(names, token.header)
	}
	return names
}

// carries reports whether the header, in lower case, has one of the caller's tokens.
func (e *callerExchange) carries(header string) bool { return slices.Contains(e.headers(), header) }

// body is the form with the caller's tokens.
func (e *callerExchange) body(c *Caller) []byte {
	form := url.Values{}
	for i, token := range e.tokens {
		form.Set(token.field, c.tokens[i])
	}
	return []byte(e.form.Encode() + "&" + form.Encode())
}

// bearer takes the token out of the header's value: after the scheme Bearer, or the whole value of
// another header than Authorization. What has other characters than a token's (RFC 6750 section 2.1) is
// none, for example two tokens in one value.
func (t callerToken) bearer(value string) (string, bool) {
	scheme, token, hasScheme := strings.Cut(strings.TrimSpace(value), " ")
	switch {
	case hasScheme && strings.EqualFold(scheme, "bearer"):
		token = strings.TrimSpace(token)
	case hasScheme || t.header == "authorization":
		return "", false
	default:
		token = scheme
	}
	return token, len(token) <= maxTokenBytes && bearerBytes.isOf(token)
}

// isAbsent reports whether the header's value has no token at all, rather than a bad one: none, only the scheme, or
// credentials of another one. So must each part between commas, by which a host joins several lines.
func (t callerToken) isAbsent(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		scheme, token, hasScheme := strings.Cut(strings.TrimSpace(part), " ")
		isBearer := strings.EqualFold(scheme, "bearer")
		isOther := scheme == "" || hasScheme || t.header == "authorization"
		if isBearer && strings.TrimSpace(token) != "" || !isBearer && !isOther {
			return false
		}
	}
	return true
}

var bearerBytes = newByteSet(letters + digits + "-._~+/=")
