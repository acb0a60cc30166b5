package oauth

import (
	"net/http"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"token-fetch/e2e/harness"
)

// TestAuthorizationServer has an independent server verify each grant, and the upstream its tokens.
func TestAuthorizationServer(t *testing.T) {
	server := startAuthorizationServer(t)
	service := map[string]any{"clientId": serviceID, "clientSecret": serviceSecret, "scopes": []string{"openid", "profile"}}
	web := func(oauth2 ...map[string]any) map[string]any {
		all := map[string]any{"clientId": webID, "clientSecret": webSecret}
		for _, more := range oauth2 {
			all = harness.Merge(all, more)
		}
		return harness.OAuth2Config(tokenPath, all, nil)
	}
	exchanged := harness.Merge(harness.Exchange, map[string]any{"audience": "orders", "requestedTokenType": harness.AccessTokenType})
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(map[string]map[string]any{
		"header":     harness.OAuth2Config(tokenPath, service, nil),
		"body":       harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"authStyle": "body"}), nil),
		"wrong":      harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"clientSecret": "wrong"}), map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		"unscoped":   harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"scopes": nil}), nil),
		"assertion":  web(harness.Assertion),
		"signed":     harness.Merge(web(harness.Assertion, map[string]any{"assertion": "${token.signed}"}), signedBy(t, "RS256", server.URL())),
		"forged":     harness.Merge(web(harness.Assertion, map[string]any{"assertion": "${token.signed}"}), signedBy(t, "another RS256", server.URL())),
		"exchange":   web(exchanged),
		"delegation": web(exchanged, map[string]any{"actorTokenHeader": "X-Actor"}),
		"introspection": harness.OAuth2Config("/oauth/introspect", harness.Config{"clientId": webID, "clientSecret": webSecret, "grantType": "introspection", "params": harness.Config{"token": "${caller.token}"}},
			harness.Config{"tokenPath": "sub", "tokenHeader": "X-User", "tokenPrefix": "", "cache": harness.Config{"expiresAtPath": "exp"}, "refusedWhen": []any{harness.Config{"path": "active", "equals": "false"}}}),
		"id": web(exchanged, map[string]any{"requestedTokenType": "urn:ietf:params:oauth:token-type:id_token", "scopes": []string{"openid"}}),
	})})
	alice, bob := server.login(t, "alice"), server.login(t, "bob")
	ofAlice, ofBob := assertionOf(t, "alice", server.URL(), server.good), assertionOf(t, "bob", server.URL(), server.good)
	get := func(t *testing.T, status int, host, path string, headers ...string) {
		t.Helper()
		harness.CheckStatus(t, gateway.Get(t, path, append(headers, "Host: "+host)...), status)
	}
	for name, test := range map[string]struct {
		upstream func(*http.Request) int
		calls    int // of the token endpoint at most, though all is done twice
		do       func(t *testing.T)
	}{
		"client credentials in the header": {server.introspect, 1, func(t *testing.T) { get(t, 200, "header", "/") }},
		"client credentials in the body":   {server.introspect, 1, func(t *testing.T) { get(t, 200, "body", "/") }},
		"a wrong secret":                   {server.introspect, 1, func(t *testing.T) { get(t, 500, "wrong", "/") }},
		"without the scope":                {server.introspect, 1, func(t *testing.T) { get(t, 403, "unscoped", "/") }},
		"token exchange": {server.verify, 2, func(t *testing.T) {
			get(t, 200, "exchange", "/alice", bearer(alice))
			get(t, 200, "exchange", "/bob", bearer(bob))
			// Neither the user's own token nor another's is good for the upstream.
			get(t, 403, "other", "/alice", bearer(alice))
			get(t, 403, "exchange", "/alice", bearer(bob))
		}},
		"assertion": {server.verify, 2, func(t *testing.T) {
			get(t, 200, "assertion", "/alice", bearer(ofAlice))
			get(t, 200, "assertion", "/bob", bearer(ofBob))
			get(t, 403, "assertion", "/alice", bearer(ofBob))
		}},
		"an assertion that the gateway signs": {server.verify, 1, func(t *testing.T) { get(t, 200, "signed", "/alice") }},
		"delegation": {server.verifyActor, 1, func(t *testing.T) {
			get(t, 200, "delegation", "/alice/for/bob", bearer(alice), "X-Actor: "+bob)
			gateway.Upstream.CheckHeader(t, "X-Actor")
		}},
		"impersonation, where an actor is wanted": {server.verifyActor, 1, func(t *testing.T) { get(t, 403, "exchange", "/alice/for/bob", bearer(alice)) }},
		"introspection of callers' tokens": {func(*http.Request) int { return 200 }, 0, func(t *testing.T) {
			get(t, 200, "introspection", "/", bearer(alice), "X-User: bob")
			gateway.Upstream.CheckHeader(t, "X-User", "alice")
			get(t, 200, "introspection", "/", bearer(bob))
			gateway.Upstream.CheckHeader(t, "X-User", "bob")
		}},
		"an ID token, whose token_type is N_A": {func(*http.Request) int { return 200 }, 1, func(t *testing.T) {
			get(t, 200, "id", "/", bearer(alice))
			id := bearerToken(&http.Request{Header: gateway.Upstream.Last(t).Header})
			if _, err := rp.VerifyIDToken[*oidc.IDTokenClaims](t.Context(), id, rp.NewIDTokenVerifier(server.URL(), webID, server.keys)); err != nil {
				t.Errorf("the upstream received no ID token: %v", err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Upstream.Respond(test.upstream)
			server.Forget()
			for range 2 {
				test.do(t)
			}
			if calls := server.tokenCalls(); calls > test.calls {
				t.Errorf("the token endpoint was called %d times, want at most %d", calls, test.calls)
			}
		})
	}
	t.Run("tokens of callers that are no good", func(t *testing.T) {
		gateway.Upstream.Forget()
		for _, refused := range []string{assertionOf(t, "alice", server.URL(), server.bad), assertionOf(t, "alice", "https://other.example.com", server.good)} {
			harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: assertion", bearer(refused)))
		}
		harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: exchange", bearer(alice+"x")))
		harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: introspection", bearer(alice+"x")))
		harness.CheckRefusedSubject(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", bearer(alice), "X-Actor: "+bob+"x"))
		harness.CheckUnauthorized(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", bearer(alice)), harness.MissingToken)
		get(t, 401, "exchange", "/alice")
		get(t, 500, "forged", "/alice")
		gateway.Upstream.CheckNotReached(t)
	})
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// signedBy are tokens with an assertion of alice's that the gateway signs.
func signedBy(t *testing.T, key, audience string) map[string]any {
	t.Helper()
	return map[string]any{"tokens": map[string]any{"signed": map[string]any{"jwt": map[string]any{
		"privateKey": harness.PrivatePEM(t, key), "keyId": "1", "claims": map[string]any{"iss": "alice", "sub": "alice", "aud": []string{audience, "orders"}},
	}}}}
}
