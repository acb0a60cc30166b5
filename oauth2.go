package main

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"
)

const (
	grantClientCredentials = "client_credentials"                              // RFC 6749 section 4.4
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // no credential: RFC 8693
	grantPassword          = "password"                                        // RFC 6749 section 4.3

	authStyleHeader = "header"
	authStyleBody   = "body"
)

// oauth2 is the form and the client's authentication of a token request.
type oauth2 struct {
	form          url.Values
	authorization string        // value of the Authorization header; empty: the credentials are in the form
	subject       *subjectToken // nil but for token exchange
}

// subjectToken is the client's own token in a token exchange (RFC 8693 section 2.1).
type subjectToken struct {
	header string // lower-case name of the request header that carries it
	form   url.Values
}

// oauth2 reads the key oauth2; nil when it is absent.
func (s section) oauth2(of *scope) *oauth2 {
	if !s.has(keyOAuth2) {
		return nil
	}
	o := s.object(keyOAuth2)
	grant := o.text(keyGrantType)
	request := &oauth2{form: url.Values{"grant_type": {grant}}}
	if scopes := o.texts(keyScopes); len(scopes) > 0 {
		request.form.Set("scope", strings.Join(scopes, " "))
	}
	if audience := o.text(keyAudience); audience != "" {
		request.form.Set("audience", audience)
	}
	for _, resource := range o.texts(keyResource) {
		request.form.Add("resource", resource)
	}
	request.authenticate(o.text(keyAuthStyle), o.required(keyClientID, of), o.required(keyClientSecret, of))
	request.exchange(o, grant)
	o.params(request, of)
	if method := s.text(keyRequestMethod); method != "" && method != "POST" {
		s.wrong(keyRequestMethod, "POST with oauth2")
	}
	if request.subject != nil {
		request.subject.form = request.form
		of.exchange = request.subject
	}
	return request
}

// authenticate puts the client's credentials where the authorization server wants
// them. For Basic they are form-encoded first (RFC 6749 section 2.3.1), which
// matters for +, % and : in generated secrets.
func (r *oauth2) authenticate(style, id, secret string) {
	if style == authStyleBody {
		r.form.Set("client_id", id)
		r.form.Set("client_secret", secret)
		return
	}
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	r.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

func (r *oauth2) exchange(o section, grant string) {
	header, tokenType := o.text(keySubjectTokenHeader), o.text(keySubjectTokenType)
	if grant != grantTokenExchange {
		for _, k := range []*key{keySubjectTokenHeader, keySubjectTokenType} {
			if _, own := o.own(k.name); own {
				o.warn(k, "it belongs to grantType "+grantTokenExchange)
			}
		}
		return
	}
	if !isSettableHeader(header) {
		o.wrong(keySubjectTokenHeader, wantSettableHeader)
	}
	r.form.Set("subject_token_type", tokenType)
	r.subject = &subjectToken{header: strings.ToLower(header)}
}

// params adds more form fields. They can't replace what other keys set, which would
// go unnoticed.
func (s section) params(request *oauth2, of *scope) {
	for _, param := range s.textMap(keyParams) {
		if request.form.Has(param.name) || param.name == "subject_token" || param.name == "client_secret" {
			s.reader.fail("invalid %s%s.%s in config: another key sets it", s.prefix, keyParams.name, printable(param.name))
		}
		request.form.Set(param.name, param.value)
	}
	if request.form.Get("grant_type") != grantPassword || !of.enabled {
		return
	}
	for _, name := range []string{"username", "password"} {
		if request.form.Get(name) == "" {
			s.reader.fail("missing %s%s.%s in config (grantType %s needs it)", s.prefix, keyParams.name, name, grantPassword)
		}
	}
}

// addHeaders completes the configured headers; these win where both name one.
func (r *oauth2) addHeaders(headers [][2]string) [][2]string {
	if r == nil {
		return headers
	}
	needed := [][2]string{
		{"content-type", "application/x-www-form-urlencoded"},
		{"accept", "application/json"},
	}
	if r.authorization != "" {
		needed = append(needed, [2]string{"authorization", r.authorization})
	}
	for _, header := range needed {
		if _, configured := firstHeader(headers, header[0]); !configured {
			headers = append(headers, header)
		}
	}
	return headers
}

// body is the form without a subject token; the one of a token exchange comes with each request.
func (r *oauth2) body() []byte { return []byte(r.form.Encode()) }

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
	return token, token != "" && len(token) <= maxTokenBytes && !strings.ContainsFunc(token, isNoBearerRune)
}

func isNoBearerRune(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z':
		return false
	}
	return !strings.ContainsRune("-._~+/=", r)
}

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

// oauthError is the error code of an answer (RFC 6749 section 5.2); empty when it has none. The description
// is left out, as it may quote a secret, and so is a code with unusual characters.
func oauthError(a *answer) string {
	if len(a.body) == 0 || len(a.body) > maxAnswerBytes {
		return ""
	}
	code := a.json("error")
	if code.Type != gjson.String || len(code.Str) > 40 || strings.Trim(code.Str, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code.Str
}
