package tokenservice

import (
	"slices"

	"token-fetch/internal/schema"
)

// Grant types and ways of authentication.
const (
	grantClientCredentials = "client_credentials"                              // RFC 6749 section 4.4
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" //nolint:gosec // no credential: RFC 8693
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 section 2.1
	grantPassword          = "password"                                        // RFC 6749 section 4.3

	authStyleHeader    = "header"            // RFC 6749 section 2.3.1
	authStyleBody      = "body"              // RFC 6749 section 2.3.1
	authStyleNone      = "none"              // RFC 6749 section 2.1: public clients
	authStyleSecretJWT = "client_secret_jwt" // OpenID Connect Core section 9
	authStyleKeyJWT    = "private_key_jwt"   // OpenID Connect Core section 9
	authStyleAssertion = "client_assertion"  // RFC 7521 section 4.2: signed elsewhere

	encodingText   = "text"
	encodingBase64 = "base64" // schema.DecodeBase64
	encodingHex    = "hex"

	accessTokenType = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // no credential: RFC 8693 section 3
)

// The keys that define what the token service is asked, and what its response means.
var (
	keyServiceCluster  = &schema.Key{Name: "serviceCluster", Kind: schema.Text, Identity: true}
	keyServiceName     = &schema.Key{Name: "serviceName", Kind: schema.Text, Required: true, Unless: []string{"serviceCluster", "jwt"}, Identity: true}
	keyServicePort     = &schema.Key{Name: "servicePort", Kind: schema.Integer, Default: 80, Min: 1, Max: 65535, Identity: true}
	keyRequestPath     = &schema.Key{Name: "requestPath", Kind: schema.Text, Required: true, Unless: []string{"jwt"}, References: true, Identity: true}
	keyTokenHeader     = &schema.Key{Name: "tokenHeader", Kind: schema.Text, Required: true, Unless: []string{"oauth2", "jwt"}, Identity: true}
	keyServiceHost     = &schema.Key{Name: "serviceHost", Kind: schema.Text, Identity: true}
	keyRequestMethod   = &schema.Key{Name: "requestMethod", Kind: schema.Text, OneOf: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, Identity: true}
	keyRequestHeaders  = &schema.Key{Name: "requestHeaders", Kind: schema.TextMap, Secret: true, FoldCase: true, References: true, Identity: true}
	keyRequestBody     = &schema.Key{Name: "requestBody", Kind: schema.Text, Secret: true, References: true, Identity: true}
	keyTimeout         = &schema.Key{Name: "timeout", Kind: schema.Integer, Default: 500, Min: 1, Max: 60000}
	keyRetries         = &schema.Key{Name: "retries", Kind: schema.Integer, Default: 0, Min: 0, Max: 5}
	keyTokenPath       = &schema.Key{Name: "tokenPath", Kind: schema.Text, Identity: true}
	keyTokenIn         = &schema.Key{Name: "tokenIn", Kind: schema.Text, OneOf: []string{tokenInHeader, tokenInJSON, tokenInBody, tokenInCookie}, Identity: true}
	keyTokenCookie     = &schema.Key{Name: "tokenCookie", Kind: schema.TextOrList, Identity: true}
	keyResponseHeader  = &schema.Key{Name: "responseHeader", Kind: schema.Text, Identity: true}
	keyUpstreamHeaders = &schema.Key{Name: "upstreamHeaders", Kind: schema.TextMap, FoldCase: true, Identity: true}
	keySuccessStatus   = &schema.Key{Name: "successStatus", Kind: schema.Integers, Want: "a list of statuses, 200 to 299", Min: 200, Max: 299, Identity: true}
	keySuccessWhen     = &schema.Key{Name: "successWhen", Kind: schema.Objects, Want: "a list of objects with header or path, and equals", Identity: true,
		Keys: []*schema.Key{keyConditionHeader, keyConditionPath, keyConditionEquals}}
	keyRefusedWhen = &schema.Key{Name: "refusedWhen", Kind: schema.Objects, Want: "a list of objects with status, header and equals, or path and equals", Identity: true,
		Keys: []*schema.Key{keyRefusedStatus, keyConditionHeader, keyConditionPath, keyRefusedEquals}}
	keyTokenPrefix    = &schema.Key{Name: "tokenPrefix", Kind: schema.Text, Identity: true}
	keyTokenSuffix    = &schema.Key{Name: "tokenSuffix", Kind: schema.Text, Identity: true}
	keyBasicAuth      = &schema.Key{Name: "basicAuth", Kind: schema.Boolean, Default: false, Identity: true}
	keyForwardHeaders = &schema.Key{Name: "forwardHeaders", Kind: schema.TextList, Identity: true}

	keyConditionHeader = &schema.Key{Name: "header", Kind: schema.Text}
	keyConditionPath   = &schema.Key{Name: "path", Kind: schema.Text}
	keyConditionEquals = &schema.Key{Name: "equals", Kind: schema.TextOrList, Required: true}
	keyRefusedStatus   = &schema.Key{Name: "status", Kind: schema.Integers, Want: "a list of statuses, 200 to 499", Min: 200, Max: 499}
	keyRefusedEquals   = &schema.Key{Name: "equals", Kind: schema.TextOrList}

	keyClientID            = &schema.Key{Name: "clientId", Kind: schema.Text, Identity: true}
	keyClientSecret        = &schema.Key{Name: "clientSecret", Kind: schema.Text, Secret: true, Identity: true}
	keyGrantType           = &schema.Key{Name: "grantType", Kind: schema.Text, Default: grantClientCredentials, Identity: true}
	keyScopes              = &schema.Key{Name: "scopes", Kind: schema.TextList, References: true, Identity: true}
	keyAudience            = &schema.Key{Name: "audience", Kind: schema.TextOrList, References: true, Identity: true}
	keyResource            = &schema.Key{Name: "resource", Kind: schema.TextOrList, References: true, Identity: true}
	keyAuthStyle           = &schema.Key{Name: "authStyle", Kind: schema.Text, Default: authStyleHeader, OneOf: []string{authStyleHeader, authStyleBody, authStyleNone, authStyleSecretJWT, authStyleKeyJWT, authStyleAssertion}, Identity: true}
	keyPrivateKey          = &schema.Key{Name: "privateKey", Kind: schema.Text, Secret: true, Identity: true}
	keyKeyID               = &schema.Key{Name: "keyId", Kind: schema.Text, Identity: true}
	keySigningAlgorithm    = &schema.Key{Name: "signingAlgorithm", Kind: schema.Text, OneOf: []string{algES256, algES384, algRS256, algRS384, algRS512, algPS256, algPS384, algPS512, algEdDSA}, Identity: true}
	keyAssertionAudience   = &schema.Key{Name: "assertionAudience", Kind: schema.Text, Identity: true}
	keySubjectTokenHeader  = &schema.Key{Name: "subjectTokenHeader", Kind: schema.Text, Default: "Authorization", Identity: true}
	keyKeepSubjectToken    = &schema.Key{Name: "keepSubjectToken", Kind: schema.Boolean, Default: false}
	keyAllowMissing        = &schema.Key{Name: "allowMissing", Kind: schema.Boolean, Default: false}
	keySubjectTokenType    = &schema.Key{Name: "subjectTokenType", Kind: schema.Text, Default: accessTokenType, Identity: true}
	keyRequestedTokenType  = &schema.Key{Name: "requestedTokenType", Kind: schema.Text, Identity: true}
	keyActorTokenHeader    = &schema.Key{Name: "actorTokenHeader", Kind: schema.Text, Identity: true}
	keyActorTokenType      = &schema.Key{Name: "actorTokenType", Kind: schema.Text, Default: accessTokenType, Identity: true}
	keySubjectToken        = &schema.Key{Name: "subjectToken", Kind: schema.Text, Secret: true, References: true, Identity: true}
	keyActorToken          = &schema.Key{Name: "actorToken", Kind: schema.Text, Secret: true, References: true, Identity: true}
	keyAssertion           = &schema.Key{Name: "assertion", Kind: schema.Text, Secret: true, References: true, Identity: true}
	keyClientAssertion     = &schema.Key{Name: "clientAssertion", Kind: schema.Text, Secret: true, References: true, Identity: true}
	keyClientAssertionType = &schema.Key{Name: "clientAssertionType", Kind: schema.Text, Default: assertionType, Identity: true}
	keyParams              = &schema.Key{Name: "params", Kind: schema.TextMap, Secret: true, References: true, Identity: true}

	keyOAuth2 = &schema.Key{Name: "oauth2", Kind: schema.Object, Identity: true, Keys: []*schema.Key{
		keyClientID, keyClientSecret, keyGrantType, keyScopes, keyAudience, keyResource,
		keyAuthStyle, keyPrivateKey, keyKeyID, keySigningAlgorithm, keyAssertionAudience,
		keyClientAssertion, keyClientAssertionType,
		keySubjectTokenHeader, keySubjectToken, keyKeepSubjectToken, keyAllowMissing, keySubjectTokenType, keyRequestedTokenType,
		keyActorTokenHeader, keyActorToken, keyActorTokenType, keyAssertion, keyParams,
	}}

	keyTraceHeaders = &schema.Key{Name: "traceHeaders", Kind: schema.TextList}

	keyAlgorithm  = &schema.Key{Name: "algorithm", Kind: schema.Text, OneOf: keySigningAlgorithm.OneOf, Identity: true}
	keySecret     = &schema.Key{Name: "secret", Kind: schema.Text, Secret: true, Identity: true}
	keyEncoding   = &schema.Key{Name: "secretEncoding", Kind: schema.Text, Default: encodingText, OneOf: []string{encodingText, encodingBase64, encodingHex}, Identity: true}
	keyClaims     = &schema.Key{Name: "claims", Kind: schema.JSONObject, References: true, Identity: true}
	keyLifetime   = &schema.Key{Name: "lifetime", Kind: schema.Integer, Default: 300, Min: 10, Max: 86400, Identity: true}
	keyJOSEHeader = &schema.Key{Name: "header", Kind: schema.TextMap, Identity: true}

	keyJWT = &schema.Key{Name: "jwt", Kind: schema.Object, Identity: true, Keys: []*schema.Key{
		keyPrivateKey, keyKeyID, keyAlgorithm, keySecret, keyEncoding, keyClaims, keyLifetime, keyJOSEHeader,
	}}

	keyTTL                = &schema.Key{Name: "ttl", Kind: schema.Integer, Default: 300, Min: 1, Max: schema.MaxSeconds, Identity: true}
	keyExpiresInPath      = &schema.Key{Name: "expiresInPath", Kind: schema.Text, Default: "expires_in", Identity: true}
	keyExpiresAtPath      = &schema.Key{Name: "expiresAtPath", Kind: schema.Text, Identity: true}
	keyIgnoreCacheControl = &schema.Key{Name: "ignoreCacheControl", Kind: schema.Boolean, Default: false, Identity: true}
	keyMaxTTL             = &schema.Key{Name: "maxTtl", Kind: schema.Integer, Min: 1, Max: schema.MaxSeconds, Identity: true}
)

// Keys are the top-level keys, in the order of the documentation.
var Keys = []*schema.Key{
	keyServiceCluster, keyServiceName, keyServicePort, keyRequestPath, keyTokenHeader, keyServiceHost,
	keyRequestMethod, keyRequestHeaders, keyRequestBody, keyTimeout, keyRetries,
	keyTokenIn, keyTokenPath, keyResponseHeader, keyTokenCookie, keyUpstreamHeaders, keySuccessStatus, keySuccessWhen, keyRefusedWhen,
	keyTokenPrefix, keyTokenSuffix, keyBasicAuth, keyForwardHeaders, keyTraceHeaders, keyOAuth2, keyJWT,
}

// NamedKeys are the keys of a named token, which is not set as a header.
var NamedKeys = slices.DeleteFunc(slices.Clone(Keys), func(k *schema.Key) bool { return k == keyTokenHeader || k == keyUpstreamHeaders })

// LifetimeKeys are the keys of the object cache that define how long a token lives.
var LifetimeKeys = []*schema.Key{keyTTL, keyExpiresAtPath, keyExpiresInPath, keyIgnoreCacheControl, keyMaxTTL}
