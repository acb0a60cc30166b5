package oauth

import (
	"testing"

	"token-fetch/e2e/harness"
)

// TestAuthorizationServer is about the grants that OAuth servers have first: client_credentials and an exchange.
func TestAuthorizationServer(t *testing.T) {
	server := startAuthorizationServer(t)
	service := map[string]any{"clientId": serviceID, "clientSecret": serviceSecret, "scopes": []string{"openid", "profile"}}
	exchange := map[string]any{
		"clientId": webID, "clientSecret": webSecret, "grantType": harness.TokenExchange, "audience": "orders",
		"params": map[string]any{"requested_token_type": harness.AccessTokenType},
	}
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(map[string]map[string]any{
		"header":   harness.OAuth2Config(tokenPath, service, nil),
		"body":     harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"authStyle": "body"}), nil),
		"wrong":    harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"clientSecret": "wrong"}), map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		"unscoped": harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"scopes": nil}), nil),
		"exchange": harness.OAuth2Config(tokenPath, exchange, nil),
	})})
	for _, host := range []string{"header", "body"} {
		t.Run("client credentials in the "+host, func(t *testing.T) {
			gateway.Upstream.Respond(server.introspect)
			server.Forget()
			for range 3 {
				harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host), 200)
			}
			if calls := server.tokenCalls(); calls != 1 {
				t.Errorf("the token endpoint was called %d times, want once", calls)
			}
		})
	}
	t.Run("the upstream really looks", func(t *testing.T) {
		gateway.Upstream.Respond(server.introspect)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: unscoped"), 403)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: other", "Authorization: Bearer forged"), 403)
	})
	t.Run("wrong secret", func(t *testing.T) {
		gateway.Upstream.Forget()
		server.Forget()
		for range 3 {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: wrong"), 500)
		}
		gateway.Upstream.CheckNotReached(t)
		if calls := server.tokenCalls(); calls != 1 {
			t.Errorf("the token endpoint was called %d times, want once", calls)
		}
	})
	t.Run("token exchange", func(t *testing.T) { checkExchange(t, gateway, server) })
}

func checkExchange(t *testing.T, gateway *harness.Gateway, server *authorizationServer) {
	gateway.Upstream.Respond(server.verify)
	tokens := map[string]string{"alice": server.login(t, "alice"), "bob": server.login(t, "bob")}
	server.Forget()
	for range 2 {
		for user, token := range tokens {
			harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: exchange", "Authorization: Bearer "+token), 200)
		}
	}
	if calls := server.tokenCalls(); calls != 2 {
		t.Errorf("the token endpoint was called %d times, want once for each user", calls)
	}
	// Neither the user's own token nor another's is good for the upstream.
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: other", "Authorization: Bearer "+tokens["alice"]), 403)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+tokens["bob"]), 403)
	gateway.Upstream.Forget()
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+tokens["alice"]+"x"), 401)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange"), 401)
	gateway.Upstream.CheckNotReached(t)
}
