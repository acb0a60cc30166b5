package tokenservice

import (
	"encoding/base64"
	"net/url"

	"token-fetch/internal/schema"
)

// authenticate reads how the client authenticates, and adds its credentials to the request. A secret that would not be
// sent is an error: whoever configured it expects it to protect something.
func (r reader) authenticate(request *oauth2) {
	style, id := r.String(keyAuthStyle), r.String(keyClientID)
	written, _ := r.Value(keyClientID)
	request.clientID = written.String()
	if id == "" && style != authStyleNone && style != authStyleAssertion && r.isEnabled {
		r.Missing(keyClientID)
	}
	secret := ""
	switch style {
	case authStyleNone, authStyleKeyJWT, authStyleAssertion:
		if r.Has(keyClientSecret) {
			r.InvalidKey(keyClientSecret, "none with "+keyAuthStyle.Name+" "+style)
		}
	default:
		secret = r.required(keyClientSecret)
	}
	r.warnOfUnused(style)
	if style == authStyleHeader {
		// Form-encode first; this matters for +, % and : in generated secrets.
		pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
		request.isEncoded = pair != id+":"+secret
		request.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
		return
	}
	if id != "" { // optional: Google's STS only takes the subject's token
		request.form.Set("client_id", id)
	}
	switch style {
	case authStyleBody:
		request.form.Set("client_secret", secret)
	case authStyleSecretJWT:
		request.sign(r.assertion(id, r.secretKey(keyClientSecret, secret, " with "+keyAuthStyle.Name+" "+authStyleSecretJWT)))
	case authStyleKeyJWT:
		request.sign(r.assertion(id, r.privateKey(keySigningAlgorithm)))
	case authStyleAssertion:
		request.form.Set("client_assertion_type", r.String(keyClientAssertionType))
		if r.isEnabled && !r.Has(keyClientAssertion) {
			r.Fail("missing %s in config (%s %s needs it)", r.Name(keyClientAssertion), keyAuthStyle.Name, style)
		}
		request.form.add("client_assertion", r.Template(keyClientAssertion, nil))
	}
}

// sign adds a signed assertion to each call; a is nil if the part is disabled and has no key.
func (request *oauth2) sign(a *assertion) {
	request.assertion = a
	request.form.Set("client_assertion_type", assertionType)
}

// warnOfUnused warns of keys that the authentication style does not use.
func (r reader) warnOfUnused(style string) {
	styles := map[*schema.Key]string{
		keyPrivateKey: authStyleKeyJWT, keySigningAlgorithm: authStyleKeyJWT,
		keyKeyID: authStyleKeyJWT + " and " + authStyleSecretJWT, keyAssertionAudience: authStyleKeyJWT + " and " + authStyleSecretJWT,
	}
	for _, k := range []*schema.Key{keyClientAssertion, keyClientAssertionType} {
		if _, isOwn := r.Own(k.Name); isOwn && style != authStyleAssertion {
			r.Unused(k, "it belongs to "+keyAuthStyle.Name+" "+authStyleAssertion)
		}
	}
	for _, k := range []*schema.Key{keyPrivateKey, keyKeyID, keySigningAlgorithm, keyAssertionAudience} {
		isUsed := style == authStyleKeyJWT || style == authStyleSecretJWT && styles[k] != authStyleKeyJWT
		if _, isOwn := r.Own(k.Name); isOwn && !isUsed {
			r.Unused(k, "it belongs to "+keyAuthStyle.Name+" "+styles[k])
		}
	}
}
