package e2e_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"token-fetch/e2e/harness"
)

// Clients of zitadel's server beside those that have a secret.
const (
	publicID = "public"
	signerID = "signer"
)

// keyStorage has a client that signs, whose keys are named after their algorithms, and one that has nothing to show.
type keyStorage struct{ jwtStorage }

type authenticatingClient struct {
	op.Client
	method oidc.AuthMethod
}

func (c authenticatingClient) AuthMethod() oidc.AuthMethod { return c.method }

func (s keyStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.jwtStorage.GetClientByClientID(ctx, id)
	methods := map[string]oidc.AuthMethod{signerID: oidc.AuthMethodPrivateKeyJWT, publicID: oidc.AuthMethodNone}
	if method, found := methods[id]; found {
		client = authenticatingClient{client, method}
	}
	return client, err
}

func (keyStorage) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	key, found := harness.ClientKeys()[keyID]
	if !found || clientID != signerID {
		return nil, errors.New("no such key")
	}
	return &jose.JSONWebKey{KeyID: keyID, Use: "sig", Key: key.Public()}, nil
}

// startKeyServer is zitadel's server with all its ways of authentication, for a token exchange.
func startKeyServer(t *testing.T) *authorizationServer {
	t.Helper()
	quietLog(t)
	service := harness.NewTokenService(t)
	clients := map[string]*storage.Client{
		webID:    storage.WebClient(webID, webSecret, redirect),
		signerID: storage.WebClient(signerID, ""),
		publicID: storage.WebClient(publicID, ""),
	}
	keys := keyStorage{jwtStorage{storage.NewStorageWithClients(users(t), clients)}}
	provider := exampleop.SetupServer(service.URL(), keys, slog.Default(), true)
	service.Handle(provider.ServeHTTP)
	return &authorizationServer{service, rp.NewRemoteKeySet(http.DefaultClient, service.URL()+"/keys")}
}

// TestExchangeByAClientWithAKey has zitadel's server verify assertions, those of a token exchange. It takes no others
// (its client_credentials know secrets only), and knows neither ES384 nor EdDSA nor client_secret_jwt.
func TestExchangeByAClientWithAKey(t *testing.T) {
	server := startKeyServer(t)
	exchange := map[string]any{
		"clientSecret": nil, "grantType": harness.TokenExchange, "audience": "orders",
		"params": map[string]any{"requested_token_type": "urn:ietf:params:oauth:token-type:access_token"},
	}
	signed := func(algorithm string, more map[string]any) map[string]any {
		oauth2 := harness.Merge(harness.Merge(exchange, harness.SignedBy(t, algorithm, algorithm)), map[string]any{
			"clientId": signerID, "keyId": algorithm, "assertionAudience": server.URL(),
		})
		return harness.OAuth2Config(tokenPath, harness.Merge(oauth2, more), nil)
	}
	good := map[string]map[string]any{
		"none": harness.OAuth2Config(tokenPath, harness.Merge(exchange, map[string]any{"clientId": publicID, "authStyle": "none"}), nil),
	}
	bad := map[string]map[string]any{
		"no such key":      signed("ES256", map[string]any{"keyId": "unknown"}),
		"another's key":    signed("ES256", map[string]any{"keyId": "another ES256"}),
		"another audience": signed("ES256", map[string]any{"assertionAudience": nil}),
		"no assertion":     harness.OAuth2Config(tokenPath, harness.Merge(exchange, map[string]any{"clientId": signerID, "authStyle": "none"}), nil),
	}
	for _, algorithm := range []string{"ES256", "RS256", "PS256"} {
		good[algorithm] = signed(algorithm, nil)
	}
	hosts := map[string]map[string]any{}
	for _, group := range []map[string]map[string]any{good, bad} {
		for name, config := range group {
			hosts[authHost(name)] = config
		}
	}
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(hosts)})
	gateway.Upstream.Respond(server.verify)
	tokens := map[string]string{"alice": server.login(t, "alice"), "bob": server.login(t, "bob")}
	for name := range good {
		t.Run(name, func(t *testing.T) {
			server.Forget()
			for range 2 {
				for user, token := range tokens {
					harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: "+authHost(name), "Authorization: Bearer "+token), 200)
				}
			}
			if calls := server.tokenCalls(); calls != 2 {
				t.Errorf("the token endpoint was called %d times, want once for each user", calls)
			}
		})
	}
	for name := range bad {
		t.Run(name, func(t *testing.T) {
			gateway.Upstream.Forget()
			answer := gateway.Get(t, "/alice", "Host: "+authHost(name), "Authorization: Bearer "+tokens["alice"])
			// The server takes a bad assertion for a bad request, as which it would be the caller's own.
			if answer.Status != 500 && answer.Status != 401 {
				t.Errorf("the gateway answered %d %q, want 500 or 401", answer.Status, answer.Body)
			}
			gateway.Upstream.CheckNotReached(t)
		})
	}
}
