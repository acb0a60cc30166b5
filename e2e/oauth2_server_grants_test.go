package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"token-fetch/e2e/harness"
)

// grantStorage also knows the keys with which users sign assertions, and writes into an exchanged token who acts.
type grantStorage struct {
	jwtStorage
	key *rsa.PublicKey
}

// GetKeyByIDAndClientID is asked for the key of an assertion's issuer, which is its user here; all have the same.
func (s grantStorage) GetKeyByIDAndClientID(_ context.Context, id, _ string) (*jose.JSONWebKey, error) {
	return &jose.JSONWebKey{KeyID: id, Use: "sig", Key: s.key}, nil
}

func (grantStorage) JWTProfileTokenType(context.Context, op.TokenRequest) (op.AccessTokenType, error) {
	return op.AccessTokenTypeJWT, nil
}

func (s grantStorage) GetPrivateClaimsFromTokenExchangeRequest(ctx context.Context, request op.TokenExchangeRequest) (map[string]any, error) {
	claims, err := s.jwtStorage.GetPrivateClaimsFromTokenExchangeRequest(ctx, request)
	if actor := request.GetExchangeActor(); err == nil && actor != "" {
		return harness.Merge(map[string]any{"act": map[string]any{"sub": actor}}, claims), nil
	}
	return claims, err
}

// startGrantServer also returns what signs assertions: with the key that the server knows, and with another.
func startGrantServer(t *testing.T) (server *authorizationServer, good, bad jose.Signer) {
	t.Helper()
	quietLog(t)
	service := harness.NewTokenService(t)
	clients := map[string]*storage.Client{webID: storage.WebClient(webID, webSecret, redirect)}
	key, good := newSigner(t)
	_, bad = newSigner(t)
	users := grantStorage{jwtStorage{storage.NewStorageWithClients(users(t), clients)}, key}
	service.Handle(exampleop.SetupServer(service.URL(), users, slog.Default(), false).ServeHTTP)
	return &authorizationServer{service, rp.NewRemoteKeySet(http.DefaultClient, service.URL()+"/keys")}, good, bad
}

func newSigner(t *testing.T) (*rsa.PublicKey, jose.Signer) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	written := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	signer, err := client.NewSignerFromPrivateKeyByte(written, "1")
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey, signer
}

// assertionOf is a user's, which names the server that it is for, and the upstream.
func assertionOf(t *testing.T, user, audience string, signer jose.Signer) string {
	t.Helper()
	signed, err := client.SignedJWTProfileAssertion(user, []string{audience, "orders"}, time.Hour, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// verifyActor is an upstream that also looks at who acts: /alice/for/bob is alice, for whom bob acts.
func (s *authorizationServer) verifyActor(request *http.Request) int {
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](request.Context(), bearerToken(request), op.NewAccessTokenVerifier(s.URL(), s.keys))
	subject, actor, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/for/")
	if err != nil || claims.Subject != subject || claims.Actor == nil || claims.Actor.Subject != actor || !slices.Contains(claims.Audience, "orders") {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// TestAuthorizationServerGrants is about the grants that bring a caller's token, against a server that verifies them.
func TestAuthorizationServerGrants(t *testing.T) {
	server, good, bad := startGrantServer(t)
	of := func(oauth2 map[string]any) map[string]any {
		return harness.OAuth2Config(tokenPath, harness.Merge(map[string]any{"clientId": webID, "clientSecret": webSecret}, oauth2), nil)
	}
	exchanged := harness.Merge(harness.Exchange, map[string]any{"audience": "orders", "requestedTokenType": harness.AccessTokenType})
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(map[string]map[string]any{
		"assertion":  of(assertion),
		"exchange":   of(exchanged),
		"delegation": of(harness.Merge(exchanged, map[string]any{"actorTokenHeader": "X-Actor"})),
		"id":         of(harness.Merge(exchanged, map[string]any{"requestedTokenType": "urn:ietf:params:oauth:token-type:id_token", "scopes": []string{"openid"}})),
	})})
	t.Run("assertion", func(t *testing.T) { checkAssertions(t, gateway, server, good, bad) })
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

func checkAssertions(t *testing.T, gateway *harness.Gateway, server *authorizationServer, good, bad jose.Signer) {
	gateway.Upstream.Respond(server.verify)
	server.Forget()
	assertions := map[string]string{"alice": assertionOf(t, "alice", server.URL(), good), "bob": assertionOf(t, "bob", server.URL(), good)}
	for range 2 {
		for user, assertion := range assertions {
			harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: assertion", "Authorization: Bearer "+assertion), 200)
		}
	}
	if calls := server.tokenCalls(); calls != 2 {
		t.Errorf("the token endpoint was called %d times, want once for each user", calls)
	}
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+assertions["bob"]), 403)
	// This server says server_error of an assertion that it refuses, which is not the caller's fault by that.
	gateway.Upstream.Forget()
	for _, refused := range []string{assertionOf(t, "alice", server.URL(), bad), assertionOf(t, "alice", "https://other.example.com", good)} {
		harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+refused), 500)
	}
	gateway.Upstream.CheckNotReached(t)
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
