package oauth

import (
	"testing"

	"token-fetch/e2e/harness"
)

// TestKeycloak has the grants of the recipes served by Keycloak itself.
func TestKeycloak(t *testing.T) {
	server := startKeycloak(t)
	of := func(oauth2 map[string]any) map[string]any {
		return harness.OAuth2Config("/realms/test/protocol/openid-connect/token", harness.Merge(map[string]any{"clientId": keycloakClient, "clientSecret": keycloakSecret}, oauth2),
			map[string]any{"serviceName": "keycloak.dns", "serviceHost": server.address})
	}
	exchanged := harness.Merge(harness.Exchange, map[string]any{"audience": "orders"})
	gateway := harness.Start(t, harness.Options{
		Services: []harness.Service{{Name: "keycloak.dns", Address: server.address}},
		Config: harness.ByHost(map[string]map[string]any{
			"header":         of(nil),
			"body":           of(map[string]any{"authStyle": "body"}),
			"exchange":       of(exchanged),
			"typed":          of(harness.Merge(exchanged, map[string]any{"requestedTokenType": harness.AccessTokenType})),
			"id":             of(harness.Merge(exchanged, map[string]any{"requestedTokenType": "urn:ietf:params:oauth:token-type:id_token"})),
			"other-audience": of(harness.Merge(harness.Exchange, map[string]any{"audience": "nobody"})),
			"assertion":      of(harness.Assertion),
			"assertion-again": harness.Merge(of(harness.Merge(harness.Assertion, map[string]any{"subjectTokenHeader": "X-Assertion"})), map[string]any{
				"tokenHeader": "X-Token"}),
		}),
	})
	gateway.Upstream.Respond(server.verify)
	t.Run("client credentials", func(t *testing.T) {
		for _, host := range []string{"header", "body"} {
			harness.CheckStatus(t, gateway.Get(t, "/service-account-gateway", "Host: "+host), 200)
		}
	})
	t.Run("token exchange", func(t *testing.T) { checkKeycloakExchange(t, gateway, server) })
	t.Run("assertion", func(t *testing.T) { checkKeycloakAssertion(t, gateway, server) })
}

func checkKeycloakExchange(t *testing.T, gateway *harness.Gateway, server *keycloak) {
	tokens := map[string]string{"alice": server.login(t, "app", "alice"), "bob": server.login(t, "app", "bob")}
	before := refusalCounters(t, gateway)
	for range 3 {
		for user, token := range tokens {
			harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: exchange", "Authorization: Bearer "+token), 200)
		}
	}
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: typed", "Authorization: Bearer "+tokens["alice"]), 200)
	gateway.WaitGrowth(t, before, harness.Counters{"calls": 3, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})
	// Neither the user's own token nor another's is good for the upstream, nor is an ID token, which is what Keycloak says N_A of.
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: unknown", "Authorization: Bearer "+tokens["alice"]), 403)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+tokens["bob"]), 403)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: id", "Authorization: Bearer "+tokens["alice"]), 403)

	gateway.Upstream.Forget()
	before = refusalCounters(t, gateway)
	for _, refused := range []string{tokens["alice"] + "x", "opaque", server.assertion(t, server.sign, "alice", server.issuer())} {
		harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+refused))
	}
	// What the gateway may not do is not the caller's fault.
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+server.login(t, "stranger", "alice")), 500)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: other-audience", "Authorization: Bearer "+tokens["alice"]), 500)
	gateway.Upstream.CheckNotReached(t)
	gateway.WaitGrowth(t, before, harness.Counters{"calls": 5, "call_failures": 2, "subjects_refused": 3, "allowed_without_token": 0})
}

func checkKeycloakAssertion(t *testing.T, gateway *harness.Gateway, server *keycloak) {
	alice := server.assertion(t, server.sign, "alice", server.issuer())
	before := refusalCounters(t, gateway)
	for range 3 {
		harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+alice), 200)
	}
	harness.CheckStatus(t, gateway.Get(t, "/bob", "Host: assertion", "Authorization: Bearer "+server.assertion(t, server.sign, "bob", server.issuer())), 200)
	gateway.WaitGrowth(t, before, harness.Counters{"calls": 2, "call_failures": 0, "subjects_refused": 0, "allowed_without_token": 0})

	gateway.Upstream.Forget()
	_, forger := signerOf(t, "another RS256")
	for name, refused := range map[string]string{
		"another's signature": server.assertion(t, forger, "alice", server.issuer()),
		"another audience":    server.assertion(t, server.sign, "alice", "https://other.example.com"),
		"nobody":              server.assertion(t, server.sign, "carol", server.issuer()),
		"opaque":              "opaque",
	} {
		t.Run(name, func(t *testing.T) {
			harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: assertion", "Authorization: Bearer "+refused))
		})
	}
	// Keycloak takes an assertion once, unless its identity provider says otherwise.
	harness.CheckRefusedSubject(t, gateway.Get(t, "/alice", "Host: assertion-again", "X-Assertion: "+alice))
	gateway.Upstream.CheckNotReached(t)
}
