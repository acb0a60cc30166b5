package main

import "math"

// kind is the JSON type that a key's value must have.
type kind string

const (
	kindText      kind = "a string"
	kindInteger   kind = "an integer"
	kindBoolean   kind = "true or false"
	kindTextMap   kind = "an object of strings"
	kindTextList  kind = "a list of strings"
	kindTexts     kind = "a string or a list of strings"
	kindStatuses  kind = "a list of statuses, 100 to 599"
	kindObject    kind = "an object"
	kindCondition kind = "a list of objects with header or path, and equals"
)

// key describes one key of the configuration. This table is the only place for
// names, defaults and limits: the parser reads them here, and tests hold the
// README's tables and spec.yaml against it.
type key struct {
	name     string
	kind     kind
	required bool
	fallback any      // the default; nil where it is none or depends on other keys
	min, max int64    // of an integer, inclusive
	oneOf    []string // of a string, when only these are allowed
	secret   bool     // its value never appears in an error
	keys     []*key   // of an object
}

// Lifetimes beyond ten years are taken for mistakes; the limit also keeps all
// sums of durations far from overflow.
const maxSeconds = 10 * 365 * 24 * 3600

var (
	keyServiceName     = &key{name: "serviceName", kind: kindText, required: true}
	keyServicePort     = &key{name: "servicePort", kind: kindInteger, fallback: 80, min: 1, max: 65535}
	keyRequestPath     = &key{name: "requestPath", kind: kindText, required: true}
	keyTokenHeader     = &key{name: "tokenHeader", kind: kindText, required: true}
	keyServiceHost     = &key{name: "serviceHost", kind: kindText}
	keyRequestMethod   = &key{name: "requestMethod", kind: kindText, oneOf: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}}
	keyRequestHeaders  = &key{name: "requestHeaders", kind: kindTextMap, secret: true}
	keyRequestBody     = &key{name: "requestBody", kind: kindText, secret: true}
	keyTimeout         = &key{name: "timeout", kind: kindInteger, fallback: 500, min: 1, max: 60000}
	keyRetries         = &key{name: "retries", kind: kindInteger, fallback: 0, min: 0, max: 5}
	keyTokenPath       = &key{name: "tokenPath", kind: kindText}
	keyResponseHeader  = &key{name: "responseHeader", kind: kindText}
	keyUpstreamHeaders = &key{name: "upstreamHeaders", kind: kindTextMap}
	keySuccessWhen     = &key{name: "successWhen", kind: kindCondition, keys: []*key{keyConditionHeader, keyConditionPath, keyConditionEquals}}
	keyEnabled         = &key{name: "enabled", kind: kindBoolean, fallback: true}
	keyOverwrite       = &key{name: "overwrite", kind: kindBoolean, fallback: true}
	keyTokenPrefix     = &key{name: "tokenPrefix", kind: kindText}
	keyForwardHeaders  = &key{name: "forwardHeaders", kind: kindTextList}

	keyConditionHeader = &key{name: "header", kind: kindText}
	keyConditionPath   = &key{name: "path", kind: kindText}
	keyConditionEquals = &key{name: "equals", kind: kindTexts, required: true}

	keyClientID           = &key{name: "clientId", kind: kindText, required: true}
	keyClientSecret       = &key{name: "clientSecret", kind: kindText, required: true, secret: true}
	keyGrantType          = &key{name: "grantType", kind: kindText, fallback: grantClientCredentials, oneOf: []string{grantClientCredentials, grantTokenExchange, grantPassword}}
	keyScopes             = &key{name: "scopes", kind: kindTextList}
	keyAudience           = &key{name: "audience", kind: kindText}
	keyResource           = &key{name: "resource", kind: kindTexts}
	keyAuthStyle          = &key{name: "authStyle", kind: kindText, fallback: authStyleHeader, oneOf: []string{authStyleHeader, authStyleBody}}
	keySubjectTokenHeader = &key{name: "subjectTokenHeader", kind: kindText, fallback: "Authorization"}
	keySubjectTokenType   = &key{name: "subjectTokenType", kind: kindText, fallback: "urn:ietf:params:oauth:token-type:access_token"}
	keyParams             = &key{name: "params", kind: kindTextMap, secret: true}

	keyTTL           = &key{name: "ttl", kind: kindInteger, fallback: 300, min: 1, max: maxSeconds}
	keyExpiresInPath = &key{name: "expiresInPath", kind: kindText, fallback: "expires_in"}
	keyRefreshBefore = &key{name: "refreshBefore", kind: kindInteger, min: 0, max: maxSeconds}
	keyStaleIfError  = &key{name: "staleIfError", kind: kindInteger, fallback: 0, min: 0, max: maxSeconds}
	keyBackoff       = &key{name: "backoff", kind: kindInteger, fallback: 1000, min: 1, max: 30000}
	keyMaxEntries    = &key{name: "maxEntries", kind: kindInteger, fallback: 1024, min: 1, max: 100000}
	keyInvalidateOn  = &key{name: "invalidateOn", kind: kindStatuses, fallback: []int{401}}
	keyShared        = &key{name: "shared", kind: kindBoolean, fallback: true}
	keyMaxTTL        = &key{name: "maxTtl", kind: kindInteger, min: 1, max: maxSeconds}
	keyMaxWaiting    = &key{name: "maxWaiting", kind: kindInteger, fallback: 10000, min: 1, max: math.MaxInt32}

	keyMode        = &key{name: "mode", kind: kindText, fallback: "deny", oneOf: []string{"deny", "allow"}}
	keyStatus      = &key{name: "status", kind: kindInteger, fallback: 500, min: 400, max: 599}
	keyBody        = &key{name: "body", kind: kindText, fallback: "http call failed"}
	keyContentType = &key{name: "contentType", kind: kindText, fallback: "text/plain; charset=utf-8"}

	keyOAuth2 = &key{name: "oauth2", kind: kindObject, keys: []*key{
		keyClientID, keyClientSecret, keyGrantType, keyScopes, keyAudience, keyResource,
		keyAuthStyle, keySubjectTokenHeader, keySubjectTokenType, keyParams,
	}}
	keyCache = &key{name: "cache", kind: kindObject, keys: []*key{
		keyTTL, keyExpiresInPath, keyRefreshBefore, keyStaleIfError, keyBackoff,
		keyMaxEntries, keyInvalidateOn, keyShared, keyMaxTTL, keyMaxWaiting,
	}}
	keyFailure = &key{name: "failure", kind: kindObject, keys: []*key{
		keyMode, keyStatus, keyBody, keyContentType,
	}}

	// keyRoot is the configuration itself: the global part, and each rule.
	keyRoot = &key{kind: kindObject, keys: []*key{
		keyServiceName, keyServicePort, keyRequestPath, keyTokenHeader, keyServiceHost,
		keyRequestMethod, keyRequestHeaders, keyRequestBody, keyTimeout, keyRetries,
		keyTokenPath, keyResponseHeader, keyUpstreamHeaders, keySuccessWhen, keyEnabled,
		keyOverwrite, keyTokenPrefix, keyForwardHeaders, keyOAuth2, keyCache, keyFailure,
	}}
)

// nearest returns the name of the key that name was probably meant to be, or "".
func (k *key) nearest(name string) string {
	best, distance := "", 1+len(name)/3
	for _, candidate := range k.keys {
		if len(name)-len(candidate.name) > distance {
			continue // that many letters too many, at least
		}
		if d := editDistance(name, candidate.name); d <= distance {
			best, distance = candidate.name, d-1
		}
	}
	return best
}

// editDistance is Levenshtein's; the names are short.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitution, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
