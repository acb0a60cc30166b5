package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"token-fetch/e2e/harness"
)

const (
	// The token endpoint of the server in authlib/server.py, as it knows itself.
	idpHost = "idp.example.com"
	idpPath = "/tenant/token"

	// longSecret is one that HS256 takes.
	longSecret = "a-secret-of-more-than-32-characters-+%&=:/"
)

// clientKeys are the private keys of the tests' clients, by their algorithms; and another one of each kind.
var clientKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for _, of := range []string{"", "another "} {
		for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384()} {
			keys[of+name] = mustKey(ecdsa.GenerateKey(curve, rand.Reader))
		}
		keys[of+"RS256"] = mustKey(rsa.GenerateKey(rand.Reader, 2048))
		keys[of+"PS256"] = keys[of+"RS256"]
		_, key, err := ed25519.GenerateKey(rand.Reader)
		keys[of+"EdDSA"] = mustKey(key, err)
	}
	return keys
})

func mustKey[K crypto.Signer](key K, err error) crypto.Signer {
	if err != nil {
		panic(err)
	}
	return key
}

// privatePEM and publicPEM are PKCS#8 and what goes with it.
func privatePEM(t *testing.T, name string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(clientKeys()[name])
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func publicPEM(t *testing.T, name string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(clientKeys()[name].Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// signedBy is the key oauth2 of a client that signs with the key; its id is the algorithm's.
func signedBy(t *testing.T, algorithm, key string) map[string]any {
	t.Helper()
	return map[string]any{
		"clientId": algorithm, "clientSecret": nil, "authStyle": "private_key_jwt",
		"privateKey": privatePEM(t, key), "signingAlgorithm": algorithm,
	}
}

// idpConfig asks the server in authlib/server.py, by the URL that it knows itself by.
func idpConfig(oauth2, more map[string]any) map[string]any {
	return oauth2Config(idpPath+"?tenant=a", oauth2, merged(map[string]any{"serviceHost": idpHost, "cache": map[string]any{"backoff": 30_000}}, more))
}

// TestClientAuthentication has a server that nobody here wrote verify each way in which a client may say who it is.
func TestClientAuthentication(t *testing.T) {
	clients := map[string]authlibClient{
		"header": {Method: "client_secret_basic", Key: "secret"}, // Authlib does not decode what else there could be
		"body":   {Method: "client_secret_post", Key: awkward},
		"none":   {Method: "none"},
		"HS256":  {Method: "client_secret_jwt", Algorithm: "HS256", Key: longSecret},
	}
	good := map[string]map[string]any{
		"header": {"clientId": "header", "clientSecret": "secret"},
		"body":   {"clientId": "body", "clientSecret": awkward, "authStyle": "body"},
		"none":   {"clientId": "none", "clientSecret": nil, "authStyle": "none"},
		"HS256":  {"clientId": "HS256", "clientSecret": longSecret, "authStyle": "client_secret_jwt"},
	}
	bad := map[string]map[string]any{
		"HS256, another secret":           merged(good["HS256"], map[string]any{"clientSecret": "another" + longSecret}),
		"HS256, another client":           merged(good["HS256"], map[string]any{"clientId": "ES256"}),
		"HS256, another audience":         merged(good["HS256"], map[string]any{"assertionAudience": "https://idp.example.com/"}),
		"none, of a client with a secret": merged(good["none"], map[string]any{"clientId": "HS256"}),
		"none, of a client with a key":    merged(good["none"], map[string]any{"clientId": "ES256"}),
	}
	for _, algorithm := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		clients[algorithm] = authlibClient{Method: "private_key_jwt", Algorithm: algorithm, Key: publicPEM(t, algorithm)}
		good[algorithm] = signedBy(t, algorithm, algorithm)
		bad[algorithm+", another key"] = signedBy(t, algorithm, "another "+algorithm)
		bad[algorithm+", another audience"] = merged(good[algorithm], map[string]any{"assertionAudience": "https://idp.example.com/"})
	}
	good["ES256, written down"] = merged(good["ES256"], map[string]any{"assertionAudience": "https://" + idpHost + idpPath, "keyId": "key-1"})
	good["ES256, literal \\n"] = merged(good["ES256"], map[string]any{"privateKey": "${LITERAL}"})
	good["ES256, by the environment"] = merged(good["ES256"], map[string]any{"privateKey": "${PEM}", "signingAlgorithm": nil})
	bad["RS256, signed by PSS"] = merged(good["RS256"], map[string]any{"signingAlgorithm": "PS256"})

	hosts := map[string]map[string]any{}
	for _, group := range []map[string]map[string]any{good, bad} {
		for name, oauth2 := range group {
			// A token for each user: a call, and with it an assertion, for each.
			hosts[authHost(name)] = idpConfig(oauth2, map[string]any{"forwardHeaders": []string{"X-User"}})
		}
	}
	service := startAuthlib(t, clients)
	gateway := harness.Start(t, harness.Options{Token: service, Config: byHost(hosts), Env: map[string]string{
		"PEM": privatePEM(t, "ES256"), "LITERAL": strings.ReplaceAll(privatePEM(t, "ES256"), "\n", `\n`),
	}})
	for name, oauth2 := range good {
		t.Run(name, func(t *testing.T) {
			service.Forget()
			for i := range 3 {
				checkStatus(t, gateway.Get(t, "/", "Host: "+authHost(name), fmt.Sprint("X-User: ", i)), 200)
				checkHeader(t, gateway, "Authorization", fmt.Sprint("Bearer token-of-", oauth2["clientId"]))
			}
			checkReplays(t, service, oauth2["authStyle"])
		})
	}
	for name := range bad {
		t.Run(name, func(t *testing.T) {
			gateway.Upstream.Forget()
			checkStatus(t, gateway.Get(t, "/", "Host: "+authHost(name)), 500)
			checkNotReached(t, gateway)
		})
	}
}

func authHost(name string) string { return hostName(strings.ReplaceAll(name, `\`, "")) }

// checkReplays sends the server what it has been sent: it takes an assertion once, and the rest as often as it comes.
func checkReplays(t *testing.T, service *harness.TokenService, style any) {
	t.Helper()
	calls := service.Calls()
	if len(calls) != 3 {
		t.Fatalf("the server was called %d times, want 3", len(calls))
	}
	want := http.StatusOK
	if style == "client_secret_jwt" || style == "private_key_jwt" {
		want = http.StatusBadRequest
	}
	request, err := http.NewRequest(http.MethodPost, service.URL()+idpPath, strings.NewReader(calls[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = calls[0].Header.Clone()
	answer, err := harness.Send(http.DefaultClient, request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != want {
		t.Errorf("what the server has been sent, once more: %d %q, want %d", answer.Status, answer.Body, want)
	}
	form, err := url.ParseQuery(calls[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	if want == http.StatusBadRequest && (form.Has("client_secret") || calls[0].Header.Get("Authorization") != "") {
		t.Errorf("the server received a secret beside the assertion: %s %v", calls[0].Body, calls[0].Header)
	}
}
