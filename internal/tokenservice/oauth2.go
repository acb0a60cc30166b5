package tokenservice

import (
	"net/url"
	"slices"
	"strings"

	"token-fetch/internal/schema"
)

// knownGrants are the grants whose parameters the plugin knows.
var knownGrants = []string{grantClientCredentials, grantTokenExchange, grantJWTBearer, grantPassword}

// oauth2 is the form and the client authentication of a token request.
type oauth2 struct {
	clientID      string
	form          form
	authorization string     // value of the Authorization header; empty: credentials are in the form
	isEncoded     bool       // encoding has changed the credentials in authorization
	assertion     *assertion // signed for each call; nil: the client authenticates differently
	isExchange    bool       // of another party's token
	allowsMissing bool       // requests without such a token are forwarded without one
}

// oauth2 reads the key oauth2; nil if absent.
func (r reader) oauth2() *oauth2 {
	if !r.Has(keyOAuth2) {
		return nil
	}
	o := reader{Section: r.Object(keyOAuth2), isEnabled: r.isEnabled}
	grant := o.grantType()
	request := &oauth2{
		form:       form{Values: url.Values{"grant_type": {grant}}},
		isExchange: grant == grantTokenExchange || grant == grantJWTBearer,
	}
	request.allowsMissing = request.isExchange && o.Bool(keyAllowMissing)
	if scopes := o.Templates(keyScopes); len(scopes) > 0 {
		request.form.add("scope", scopes...)
	}
	for _, audience := range o.Templates(keyAudience) {
		if !audience.IsFixed() || audience.Text() != "" {
			request.form.add("audience", audience)
		}
	}
	for _, resource := range o.Templates(keyResource) {
		request.form.add("resource", resource)
	}
	o.authenticate(request)
	r.refuseAuthorizationHeader(request)
	o.exchange(grant, &request.form)
	o.params(request)
	if method := r.String(keyRequestMethod); method != "" && method != "POST" {
		r.InvalidKey(keyRequestMethod, "POST with oauth2")
	}
	return request
}

// refuseAuthorizationHeader refuses a configured header that would silently replace the client's credentials.
func (r reader) refuseAuthorizationHeader(request *oauth2) {
	for _, header := range r.Members(keyRequestHeaders) {
		if request.authorization != "" && strings.EqualFold(header.Name, "authorization") {
			r.InvalidMember(keyRequestHeaders, header.Name, "none with "+keyOAuth2.Name+"."+keyAuthStyle.Name+" "+authStyleHeader+
				", which sets it: another authStyle, or in a rule null, which takes an inherited header away")
		}
	}
}

// grantType reads a grant: a known one, or any other with its fields in params (RFC 6749 section 4.5).
func (r reader) grantType() string {
	grant := r.String(keyGrantType)
	scheme, _, isURI := strings.Cut(grant, ":")
	isName := grant != "" && strings.Trim(grant, letters+digits+"-._") == ""
	isURI = isURI && isScheme(scheme) && isVisible(grant)
	if !isName && !isURI {
		r.InvalidKey(keyGrantType, "the name of a grant, or an absolute URI: "+strings.Join(knownGrants, ", ")+", or another, with its fields in params")
	}
	if meant := schema.Nearest(grant, knownGrants, 2); meant != "" && meant != grant {
		r.Suspect(keyGrantType, "it is sent as it is (did you mean "+meant+"?)")
	}
	return grant
}

// isScheme reports whether text is a valid URI scheme (RFC 3986 section 3.1).
func isScheme(text string) bool {
	return text != "" && strings.ContainsAny(text[:1], letters) && strings.Trim(text, letters+digits+"+-.") == ""
}

// reservedParams are not allowed in params at all.
var reservedParams = []string{"client_secret", "subject_token"}

// params adds further form fields. They can't replace those of other keys, which would go unnoticed.
func (r reader) params(request *oauth2) {
	for _, param := range r.Members(keyParams) {
		isSigned := request.assertion != nil && param.Name == "client_assertion"
		if request.form.has(param.Name) || slices.Contains(reservedParams, param.Name) || isSigned {
			r.Fail("invalid %s in config: another key sets it", r.Name(keyParams, param.Name))
		}
		request.form.add(param.Name, param.Template)
	}
	if request.form.Get("grant_type") != grantPassword || !r.isEnabled {
		return
	}
	for _, name := range []string{"username", "password"} {
		if request.form.Get(name) == "" && !slices.ContainsFunc(request.form.templates, func(f fieldTemplate) bool { return f.name == name }) {
			r.Fail("missing %s in config (grantType %s needs it)", r.Name(keyParams, name), grantPassword)
		}
	}
}

// addHeaders adds the headers of a token request. Configured headers take precedence.
func (request *oauth2) addHeaders(headers [][2]string) [][2]string {
	if request == nil {
		return headers
	}
	needed := [][2]string{
		{"content-type", formType},
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
