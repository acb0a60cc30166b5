package oauth

import (
	"net/http"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"token-fetch/e2e/harness"
)

// TestAuthorizationServerGrants is about the grants that bring a caller's token, against a server that verifies them.
func TestAuthorizationServerGrants(t *testing.T) {
	t.Parallel()
	server := startAuthorizationServer(t)
	of := func(oauth2 map[string]any) map[string]any {
		return harness.OAuth2Config(tokenPath, harness.Merge(map[string]any{"clientId": webID, "clientSecret": webSecret}, oauth2), nil)
	}
	exchanged := harness.Merge(harness.Exchange, map[string]any{"audience": "orders", "requestedTokenType": harness.AccessTokenType})
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(map[string]map[string]any{
		"assertion":  of(harness.Assertion),
		"signed":     harness.Merge(of(harness.Merge(harness.Assertion, map[string]any{"assertion": "${token.signed}"})), signedBy(t, "RS256", server.URL())),
		"forged":     harness.Merge(of(harness.Merge(harness.Assertion, map[string]any{"assertion": "${token.signed}"})), signedBy(t, "another RS256", server.URL())),
		"exchange":   of(exchanged),
		"delegation": of(harness.Merge(exchanged, map[string]any{"actorTokenHeader": "X-Actor"})),
		"id":         of(harness.Merge(exchanged, map[string]any{"requestedTokenType": "urn:ietf:params:oauth:token-type:id_token", "scopes": []string{"openid"}})),
	})})
	t.Run("assertion", func(t *testing.T) { checkAssertions(t, gateway, server) })
	t.Run("delegation", func(t *testing.T) { checkDelegation(t, gateway, server) })
	t.Run("requested type", func(t *testing.T) {
		// An ID token, whose token_type is N_A.
		gateway.Upstream.Respond(func(*http.Request) int { return http.StatusOK })
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: id", "Authorization: Bearer "+server.login(t, "alice")), 200)
		id := bearerToken(&http.Request{Header: gateway.Upstream.Last(t).Header})
		if _, err := rp.VerifyIDToken[*oidc.IDTokenClaims](t.Context(), id, rp.NewIDTokenVerifier(server.URL(), webID, server.keys)); err != nil {
			t.Errorf("the upstream received no ID token: %v", err)
		}
	})
}

func checkAssertions(t *testing.T, gateway *harness.Gateway, server *authorizationServer) {
	gateway.Upstream.Respond(server.verify)
	server.Forget()
	assertions := map[string]string{"alice": assertionOf(t, "alice", server.URL(), server.good), "bob": assertionOf(t, "bob", server.URL(), server.good)}
	for range 2 {
		for user, assertion := range assertions {
			harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: assertion", "Authorization: Bearer "+assertion), 200)
		}
	}
	if calls := server.tokenCalls(); calls != 2 {
		t.Errorf("the token endpoint was called %d times, want once for each user", calls)
	}
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+assertions["bob"]), 403)
	gateway.Upstream.Forget()
	for _, refused := range []string{assertionOf(t, "alice", server.URL(), server.bad), assertionOf(t, "alice", "https://other.example.com", server.good)} {
		harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+refused))
	}
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: forged"), 500)
	gateway.Upstream.CheckNotReached(t)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: signed"), 200)
}

// signedBy are tokens with an assertion of alice's that the gateway signs.
func signedBy(t *testing.T, key, audience string) map[string]any {
	t.Helper()
	return map[string]any{"tokens": map[string]any{"signed": map[string]any{"jwt": map[string]any{
		"privateKey": harness.PrivatePEM(t, key), "keyId": "1", "claims": map[string]any{"iss": "alice", "sub": "alice", "aud": []string{audience, "orders"}},
	}}}}
}

func checkDelegation(t *testing.T, gateway *harness.Gateway, server *authorizationServer) {
	gateway.Upstream.Respond(server.verifyActor)
	alice, bob := "Authorization: Bearer "+server.login(t, "alice"), "X-Actor: "+server.login(t, "bob")
	server.Forget()
	for range 2 {
		harness.CheckStatus(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", alice, bob), 200)
		gateway.Upstream.CheckHeader(t, "X-Actor")
	}
	if calls := server.tokenCalls(); calls != 1 {
		t.Errorf("the token endpoint was called %d times, want once", calls)
	}
	// Without an actor, the server would have impersonated alice.
	harness.CheckStatus(t, gateway.Get(t, "/alice/for/bob", "Host: exchange", alice), 403)
	gateway.Upstream.Forget()
	harness.CheckUnauthorized(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", alice), harness.MissingToken)
	harness.CheckRefusedSubject(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", alice, bob+"x"))
	harness.CheckRefusedSubject(t, gateway.Get(t, "/alice/for/bob", "Host: delegation", alice+"x", bob))
	gateway.Upstream.CheckNotReached(t)
}
