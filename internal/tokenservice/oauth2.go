package tokenservice

import (
	"net/url"
	"strings"

	"token-fetch/internal/schema"
)

// oauth2 is the form and the client's authentication of a token request.
type oauth2 struct {
	form          url.Values
	authorization string        // value of the Authorization header; empty: the credentials are in the form
	assertion     *assertion    // signed for each call; nil: the client authenticates in another way
	subject       *subjectToken // nil but for token exchange
}

// subjectToken is the client's own token in a token exchange (RFC 8693 section 2.1).
type subjectToken struct {
	header string // lower-case name of the request header that carries it
	form   url.Values
}

// oauth2 reads the key oauth2; nil when it is absent.
func (r reader) oauth2() *oauth2 {
	if !r.Has(keyOAuth2) {
		return nil
	}
	o := reader{r.Object(keyOAuth2), r.isEnabled}
	grant := o.String(keyGrantType)
	request := &oauth2{form: url.Values{"grant_type": {grant}}}
	if scopes := o.Strings(keyScopes); len(scopes) > 0 {
		request.form.Set("scope", strings.Join(scopes, " "))
	}
	if audience := o.String(keyAudience); audience != "" {
		request.form.Set("audience", audience)
	}
	for _, resource := range o.Strings(keyResource) {
		request.form.Add("resource", resource)
	}
	o.authenticate(request)
	request.exchange(o, grant)
	o.params(request)
	if method := r.String(keyRequestMethod); method != "" && method != "POST" {
		r.Wrong(keyRequestMethod, "POST with oauth2")
	}
	if request.subject != nil {
		request.subject.form = request.form
	}
	return request
}

func (request *oauth2) exchange(o reader, grant string) {
	header, tokenType := o.String(keySubjectTokenHeader), o.String(keySubjectTokenType)
	if grant != grantTokenExchange {
		for _, k := range []*schema.Key{keySubjectTokenHeader, keySubjectTokenType} {
			if _, own := o.Own(k.Name); own {
				o.Unused(k, "it belongs to grantType "+grantTokenExchange)
			}
		}
		return
	}
	if !IsSettableHeader(header) {
		o.Wrong(keySubjectTokenHeader, WantSettableHeader)
	}
	request.form.Set("subject_token_type", tokenType)
	request.subject = &subjectToken{header: strings.ToLower(header)}
}

// params adds more form fields. They can't replace what other keys set, which would
// go unnoticed.
func (r reader) params(request *oauth2) {
	for _, param := range r.Members(keyParams) {
		isSigned := request.assertion != nil && param.Name == "client_assertion"
		if request.form.Has(param.Name) || param.Name == "subject_token" || param.Name == "client_secret" || isSigned {
			r.Fail("invalid %s in config: another key sets it", r.Name(keyParams, param.Name))
		}
		request.form.Set(param.Name, param.Value)
	}
	if request.form.Get("grant_type") != grantPassword || !r.isEnabled {
		return
	}
	for _, name := range []string{"username", "password"} {
		if request.form.Get(name) == "" {
			r.Fail("missing %s in config (grantType %s needs it)", r.Name(keyParams, name), grantPassword)
		}
	}
}

// addHeaders completes the configured headers; these win where both name one.
func (request *oauth2) addHeaders(headers [][2]string) [][2]string {
	if request == nil {
		return headers
	}
	needed := [][2]string{
		{"content-type", "application/x-www-form-urlencoded"},
		{"accept", "application/json"},
	}
	if request.authorization != "" {
		needed = append(needed, [2]string{"authorization", request.authorization})
	}
	for _, header := range needed {
		if _, configured := FirstHeader(headers, header[0]); !configured {
			headers = append(headers, header)
		}
	}
	return headers
}

// body is the form without a subject token; the one of a token exchange comes with each request.
func (request *oauth2) body() []byte { return []byte(request.form.Encode()) }

// body is the form of an exchange of that token.
func (t *subjectToken) body(token string) []byte {
	return []byte(t.form.Encode() + "&" + url.Values{"subject_token": {token}}.Encode())
}

// bearer takes the token out of the subject header's value: after the scheme
// Bearer, or the whole value of another header than Authorization. What has
// other characters than a token's (RFC 6750 section 2.1) is none, for example
// two tokens in one value.
func (t *subjectToken) bearer(value string) (string, bool) {
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

var bearerBytes = newByteSet(letters + digits + "-._~+/=")

// schemes are the authentication schemes that a token_type may name beside
// Bearer, as they are written in a header.
var schemes = []string{"DPoP", "MAC", "PoP", "GNAP", "OAuth", "PrivateToken", "Token", "Basic"}

// schemePrefix is the prefix for an answer's token_type, which is case-insensitive
// (RFC 6749 section 5.1). What names no scheme, such as N_A (RFC 8693 section
// 2.2.1), is taken for a bearer token.
func schemePrefix(tokenType string) string {
	for _, scheme := range schemes {
		if strings.EqualFold(scheme, tokenType) {
			return scheme + " "
		}
	}
	return "Bearer "
}
