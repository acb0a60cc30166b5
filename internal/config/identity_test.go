package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"token-fetch/internal/schema"
	"token-fetch/internal/share"
)

// changed is another value for each key than the one in keptConfig. A key that is not here fails the test.
var changed = map[string]any{
	"serviceCluster": "other", "serviceName": "other.dns", "servicePort": 81, "requestPath": "/other", "tokenHeader": "X-Other", "serviceHost": "other.example.com",
	"requestMethod": "PUT", "requestHeaders": map[string]any{"A": "2"}, "requestBody": "other", "timeout": 501, "retries": 1,
	"tokenPath": "other", "responseHeader": "X-Other", "upstreamHeaders": map[string]any{"X-User": "body:other"},
	"refusedWhen": []any{map[string]any{"status": []any{401}}},
	"successWhen": []any{map[string]any{"path": "code", "equals": "2"}}, "enabled": false, "overwrite": false, "tokenPrefix": "Other ",
	"forwardHeaders": []any{"X-Tenant"},

	"tokenIn": "body", "tokenCookie": []any{"other"}, "successStatus": []any{201}, "tokenSuffix": "other", "basicAuth": true,

	"oauth2.clientId": "other", "oauth2.clientSecret": "other", "oauth2.grantType": "client_credentials", "oauth2.scopes": []any{"other"},
	"oauth2.audience": "other", "oauth2.resource": "urn:other", "oauth2.authStyle": "body", "oauth2.privateKey": "other", "oauth2.keyId": "other",
	"oauth2.signingAlgorithm": "ES256", "oauth2.assertionAudience": "other", "oauth2.subjectTokenHeader": "X-Subject",
	"oauth2.subjectTokenType": "urn:other", "oauth2.keepSubjectToken": true, "oauth2.allowMissing": true, "oauth2.requestedTokenType": "urn:other",
	"oauth2.actorTokenHeader": "X-Actor", "oauth2.actorTokenType": "urn:other", "oauth2.params": map[string]any{"a": "2"},

	"cache.ttl": 301, "cache.expiresInPath": "other", "cache.expiresAtPath": "other", "cache.ignoreCacheControl": true, "cache.maxTtl": 60, "cache.refreshBefore": 5, "cache.staleIfError": 60, "cache.backoff": 2000,
	"cache.maxEntries": 5, "cache.maxWaiting": 5, "cache.invalidateOn": []any{403}, "cache.invalidateWhen": []any{map[string]any{"status": []any{400}}}, "bypassMethods": []any{"OPTIONS"}, "cache.shared": false, "cache.warmUp": true,

	"traceHeaders": []any{"traceparent"}, "tokens": map[string]any{"other": map[string]any{"jwt": map[string]any{"secret": "0123456789abcdef0123456789abcdef"}}},
	"oauth2.clientAssertion": "other", "oauth2.clientAssertionType": "urn:other", "oauth2.subjectToken": "${request.header.X-Other}",
	"oauth2.actorToken": "${request.header.X-Other}", "oauth2.assertion": "${request.header.X-Other}",
	"jwt.privateKey": newKey(), "jwt.keyId": "other", "jwt.algorithm": "ES256", "jwt.secret": "fedcba9876543210fedcba9876543210", "jwt.claims": map[string]any{"a": 2},
	"jwt.lifetime": 60, "jwt.secretEncoding": "hex", "jwt.header": map[string]any{"a": "b"},
	"challenge.resourceMetadata": "https://a.example.com", "challenge.scope": "a", "challenge.realm": "a",

	"failure.mode": "allow", "failure.status": 503, "failure.body": "other", "failure.contentType": "text/html",
	"failure.headers": map[string]any{"X-Reason": "no token"},
}

// keptKey has algorithm ES256.
var keptKey = newKey()

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

// Each key in turn is given another value: the token is kept or dropped as the key says.
func TestWhatATokenDependsOn(t *testing.T) {
	base := identityWith(t, "", nil)
	if again := identityWith(t, "", nil); again != base {
		t.Fatal("the same configuration has another identity")
	}
	tried := 0
	var try func(prefix string, object *schema.Key)
	try = func(prefix string, object *schema.Key) {
		for _, k := range object.Keys {
			if k == share.RedisKey { // it says where tokens are kept, and main.wasm refuses it
				if i := slices.IndexFunc(k.Keys, func(k *schema.Key) bool { return k.Identity }); i >= 0 {
					t.Errorf("redis.%s: drops the token, expected that no key of redis does", k.Keys[i].Name)
				}
				continue
			}
			if k.Kind == schema.Object {
				try(k.Name+".", k)
				continue
			}
			value, known := changed[prefix+k.Name]
			if !known {
				t.Errorf("%s%s: the test has no other value for it", prefix, k.Name)
				continue
			}
			tried++
			if isDropped := identityWith(t, prefix+k.Name, value) != base; isDropped != k.Identity {
				t.Errorf("%s%s: another value drops the token: %v, expected %v", prefix, k.Name, isDropped, k.Identity)
			}
		}
	}
	try("", Root)
	if tried != len(changed) {
		t.Errorf("tried %d keys, the test has values for %d", tried, len(changed))
	}
}

// identityWith is the identity of an exchange with one key changed.
func identityWith(t *testing.T, key string, value any) any {
	t.Helper()
	oauth2 := map[string]any{"clientId": "id", "clientSecret": "s", "grantType": exchangeGrant, "params": map[string]any{"a": "1"}}
	written := map[string]any{
		"serviceName": "token.dns", "requestPath": "/token", "tokenHeader": "X-Token", "requestHeaders": map[string]any{"A": "1"},
		"cache": map[string]any{}, "failure": map[string]any{}, "challenge": map[string]any{}, "oauth2": oauth2,
	}
	// Those that do not go with the other keys.
	hasOwnBase := true
	if name, isJWT := strings.CutPrefix(key, "jwt."); isJWT {
		written = map[string]any{"tokenHeader": "X-Token", "cache": map[string]any{}, "jwt": map[string]any{"secret": strings.Repeat("0123456789abcdef", 4), "claims": map[string]any{}}}
		if name == "privateKey" || name == "algorithm" {
			written["jwt"] = map[string]any{"privateKey": keptKey}
		}
	}
	switch key {
	case "requestBody", "requestMethod", "cache.warmUp":
		delete(written, "oauth2")
	case "serviceCluster":
		delete(written, "serviceName")
		written["serviceHost"], written["serviceCluster"] = "token.example.com", "one"
	case "tokenCookie":
		written["tokenIn"], written["tokenCookie"] = "cookie", "one"
	default:
		hasOwnBase = false
	}
	base := identityOf(t, written)
	set(written, key, value)
	if hasOwnBase && identityOf(t, written) == base {
		// What matters is whether the key makes a difference.
		return identityWith(t, "", nil)
	}
	return identityOf(t, written)
}

// newKey is a new private key.
func newKey() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, failed := x509.MarshalPKCS8PrivateKey(key)
	if err != nil || failed != nil {
		panic("no key")
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func set(written map[string]any, key string, value any) {
	for _, object := range []string{"oauth2", "cache", "failure", "jwt", "challenge"} {
		if name, found := strings.CutPrefix(key, object+"."); found {
			written[object].(map[string]any)[name] = value
			return
		}
	}
	if key != "" {
		written[key] = value
	}
}

func identityOf(t *testing.T, written map[string]any) any {
	t.Helper()
	data, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(data)).Global.Identity
}
