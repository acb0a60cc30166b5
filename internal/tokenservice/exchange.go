package tokenservice

import (
	"slices"
	"strings"

	"token-fetch/internal/schema"
	"token-fetch/internal/template"
)

// exchange reads the keys of grants that turn one token into another: token exchange (RFC 8693), or a JWT authorization
// grant (RFC 7523 section 2.1).
func (r reader) exchange(grant string, f *form) {
	r.warnOfOtherGrants(grant)
	r.Bool(keyAllowMissing) // check its type with any grant
	switch grant {
	case grantTokenExchange:
		f.Set("subject_token_type", r.String(keySubjectTokenType))
		if requested := r.String(keyRequestedTokenType); requested != "" {
			f.Set("requested_token_type", requested)
		}
		r.subjectToken(f, keySubjectToken, "subject_token")
		r.actorToken(f)
	case grantJWTBearer:
		if r.Has(keyAssertion) && (r.sets(keySubjectToken) || r.sets(keySubjectTokenHeader)) {
			r.InvalidKey(keyAssertion, "none with "+keySubjectToken.Name+" or "+keySubjectTokenHeader.Name+", which say where the assertion comes from")
		}
		if r.Has(keyAssertion) {
			r.subjectToken(f, keyAssertion, "assertion")
		} else {
			r.subjectToken(f, keySubjectToken, "assertion")
		}
	}
}

// warnOfOtherGrants warns of keys that belong to another grant; in a rule, only of those it sets itself.
func (r reader) warnOfOtherGrants(grant string) {
	for _, k := range []*schema.Key{keySubjectToken, keySubjectTokenHeader, keyKeepSubjectToken, keyAllowMissing} {
		if _, isSet := r.Own(k.Name); isSet && grant != grantTokenExchange && grant != grantJWTBearer {
			r.Unused(k, "it belongs to grantTypes "+grantTokenExchange+" and "+grantJWTBearer)
		}
	}
	for _, k := range []*schema.Key{keySubjectTokenType, keyRequestedTokenType, keyActorToken, keyActorTokenHeader, keyActorTokenType} {
		if _, isSet := r.Own(k.Name); isSet && grant != grantTokenExchange {
			r.Unused(k, "it belongs to grantType "+grantTokenExchange)
		}
	}
	if _, isSet := r.Own(keyAssertion.Name); isSet && grant != grantJWTBearer {
		r.Unused(keyAssertion, "it belongs to grantType "+grantJWTBearer)
	}
	if _, isSet := r.Own(keyActorTokenType.Name); isSet && grant == grantTokenExchange && r.String(keyActorTokenHeader) == "" && !r.Has(keyActorToken) {
		r.Unused(keyActorTokenType, "there is no "+keyActorTokenHeader.Name)
	}
}

// subjectToken reads where the token to be exchanged comes from.
func (r reader) subjectToken(f *form, k *schema.Key, field string) {
	in := input{reading: bearer, missing: ErrNoSubjectToken, allowsMissing: r.Bool(keyAllowMissing)}
	if r.Has(k) {
		r.reference(f, k, keySubjectTokenHeader, in, field)
		return
	}
	name := r.String(keySubjectTokenHeader)
	if !IsSettableHeader(name) {
		r.InvalidKey(keySubjectTokenHeader, WantSettableHeader)
	}
	in.origin = template.Origin{Kind: template.Header, Name: strings.ToLower(name)}
	f.tokens = append(f.tokens, callerToken{in, field})
}

// actorToken reads where the actor's token comes from. RFC 8693 section 2.1 makes it optional, but if it is configured,
// every request must bring it: a client that could omit it would get a token that does not name the actor.
func (r reader) actorToken(f *form) {
	in := input{reading: bearer, missing: ErrNoActorToken}
	name := r.String(keyActorTokenHeader)
	if name == "" && !r.Has(keyActorToken) {
		return
	}
	f.Set("actor_token_type", r.String(keyActorTokenType))
	if r.Has(keyActorToken) {
		r.reference(f, keyActorToken, keyActorTokenHeader, in, "actor_token")
		return
	}
	switch {
	case !IsSettableHeader(name):
		r.InvalidKey(keyActorTokenHeader, WantSettableHeader)
	case f.carries(strings.ToLower(name)):
		r.InvalidKey(keyActorTokenHeader, "another header than "+keySubjectTokenHeader.Name)
	}
	in.origin = template.Origin{Kind: template.Header, Name: strings.ToLower(name)}
	f.tokens = append(f.tokens, callerToken{in, "actor_token"})
}

// reference reads a token that comes from a reference, in which case the key for its header must not be set.
func (r reader) reference(f *form, k, header *schema.Key, in input, field string) {
	text := r.Template(k, nil)
	origin, isWhole := text.Whole()
	switch {
	case r.sets(header):
		r.InvalidKey(k, "either it or "+header.Name)
	case !isWhole:
		r.InvalidKey(k, wantTokenReference)
	case origin.Kind == template.Token:
		f.add(field, text)
	case origin.Kind == template.Header || origin.Kind == template.Cookie || origin.Kind == template.Query:
		if origin.Kind == template.Header && !IsSettableHeader(origin.Name) || slices.ContainsFunc(f.tokens, func(t callerToken) bool { return t.origin == origin }) {
			r.InvalidKey(k, wantTokenReference+", of a header that may be set, and each only once")
		}
		in.origin = origin
		f.tokens = append(f.tokens, callerToken{in, field})
	default:
		r.InvalidKey(k, wantTokenReference)
	}
}

const wantTokenReference = "one reference and nothing else: ${token.NAME}, ${request.header.NAME}, ${request.cookie.NAME} or ${request.query.NAME}"

// consumed are the headers (in lower case) and cookies that must not go upstream because their tokens are exchanged.
// Headers that the plugin sets are replaced or removed anyway.
func (r reader) consumed(f *form, protected []string) (consumed []template.Origin) {
	if f == nil {
		return nil
	}
	o := reader{Section: r.Object(keyOAuth2), isEnabled: r.isEnabled}
	keepsSubject := o.Bool(keyKeepSubjectToken)
	for _, token := range f.tokens {
		isSet := token.origin.Kind == template.Header && slices.ContainsFunc(protected, func(name string) bool { return strings.EqualFold(name, token.origin.Name) })
		isKept := token.field != "actor_token" && keepsSubject
		switch {
		case isSet && isKept:
			o.Unused(keyKeepSubjectToken, "the token service's token replaces the "+keySubjectTokenHeader.Name)
		case !isSet && !isKept && token.origin.Kind != template.Query:
			consumed = append(consumed, token.origin)
		}
	}
	return consumed
}
