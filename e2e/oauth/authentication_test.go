package oauth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
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

// idpConfig asks the server in authlib/server.py, by the URL that it knows itself by.
func idpConfig(oauth2, more map[string]any) map[string]any {
	return harness.OAuth2Config(idpPath+"?tenant=a", oauth2, harness.Merge(map[string]any{"serviceHost": idpHost, "cache": map[string]any{"backoff": 30_000}}, more))
}

// TestClientAuthentication has an independent server verify each style of client authentication.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
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
		"HS256, another secret":           harness.Merge(good["HS256"], map[string]any{"clientSecret": "another" + longSecret}),
		"HS256, another client":           harness.Merge(good["HS256"], map[string]any{"clientId": "ES256"}),
		"HS256, another audience":         harness.Merge(good["HS256"], map[string]any{"assertionAudience": "https://idp.example.com/"}),
		"none, of a client with a secret": harness.Merge(good["none"], map[string]any{"clientId": "HS256"}),
		"none, of a client with a key":    harness.Merge(good["none"], map[string]any{"clientId": "ES256"}),
	}
	for _, algorithm := range []string{"ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"} {
		clients[algorithm] = authlibClient{Method: "private_key_jwt", Algorithm: algorithm, Key: harness.PublicPEM(t, algorithm)}
		good[algorithm] = harness.SignedBy(t, algorithm, algorithm)
		bad[algorithm+", another key"] = harness.SignedBy(t, algorithm, "another "+algorithm)
		bad[algorithm+", another audience"] = harness.Merge(good[algorithm], map[string]any{"assertionAudience": "https://idp.example.com/"})
	}
	good["ES256, written down"] = harness.Merge(good["ES256"], map[string]any{"assertionAudience": "https://" + idpHost + idpPath, "keyId": "key-1"})
	good["ES256, literal \\n"] = harness.Merge(good["ES256"], map[string]any{"privateKey": "${LITERAL}"})
	good["ES256, by the environment"] = harness.Merge(good["ES256"], map[string]any{"privateKey": "${PEM}", "signingAlgorithm": nil})
	bad["RS256, signed by PSS"] = harness.Merge(good["RS256"], map[string]any{"signingAlgorithm": "PS256"})

	hosts := map[string]map[string]any{}
	for _, group := range []map[string]map[string]any{good, bad} {
		for name, oauth2 := range group {
			// A token for each user: a call, and with it an assertion, for each.
			hosts[authHost(name)] = idpConfig(oauth2, map[string]any{"forwardHeaders": []string{"X-User"}})
		}
	}
	service := startAuthlib(t, clients)
	gateway := harness.Start(t, harness.Options{Token: service, Config: harness.ByHost(hosts), Env: map[string]string{
		"PEM": harness.PrivatePEM(t, "ES256"), "LITERAL": strings.ReplaceAll(harness.PrivatePEM(t, "ES256"), "\n", `\n`),
	}})
	for name, oauth2 := range good {
		t.Run(name, func(t *testing.T) {
			service.Forget()
			for i := range 3 {
				harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+authHost(name), fmt.Sprint("X-User: ", i)), 200)
				gateway.Upstream.CheckHeader(t, "Authorization", fmt.Sprint("Bearer token-of-", oauth2["clientId"]))
			}
			checkReplays(t, service, oauth2["authStyle"])
		})
	}
	for name := range bad {
		t.Run(name, func(t *testing.T) {
			gateway.Upstream.Forget()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+authHost(name)), 500)
			gateway.Upstream.CheckNotReached(t)
		})
	}
}

func authHost(name string) string { return harness.HostName(strings.ReplaceAll(name, `\`, "")) }

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
		t.Errorf("the server received a secret in addition to the assertion: %s %v", calls[0].Body, calls[0].Header)
	}
}
