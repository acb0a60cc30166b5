package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// forwarded are headers that both the client brings and the call has.
var forwarded = map[string]struct {
	config map[string]any
	header string // as forwardHeaders names it; the error must do so too
	other  string // as the error may name it instead
}{
	"requestHeaders":                {with("requestHeaders", map[string]any{"X-Api-Key": "k"}), "X-Api-Key", ""},
	"requestHeaders, other case":    {with("requestHeaders", map[string]any{"X-API-Key": "k"}), "x-api-key", "X-API-Key"},
	"Authorization of the call":     {with("requestHeaders", map[string]any{"authorization": "k"}), "Authorization", "authorization"},
	"oauth2, credentials":           {harness.OAuth2Config("/", nil, nil), "Authorization", ""},
	"oauth2, credentials, lower":    {harness.OAuth2Config("/", nil, nil), "authorization", "Authorization"},
	"oauth2, form's type":           {harness.OAuth2Config("/", nil, nil), "Content-Type", ""},
	"oauth2, form's type in body":   {harness.OAuth2Config("/", map[string]any{"authStyle": "body"}, nil), "content-type", "Content-Type"},
	"oauth2, accept":                {harness.OAuth2Config("/", nil, nil), "Accept", ""},
	"oauth2, accept in upper case":  {harness.OAuth2Config("/", map[string]any{"authStyle": "body"}, nil), "ACCEPT", "Accept"},
	"oauth2 and requestHeaders":     {harness.OAuth2Config("/", nil, map[string]any{"requestHeaders": map[string]any{"X-Tenant": "t"}}), "X-Tenant", ""},
	"exchange, credentials":         {harness.OAuth2Config("/", map[string]any{"grantType": harness.TokenExchange}, nil), "Authorization", ""},
	"exchange, subject of its own":  {harness.OAuth2Config("/", map[string]any{"grantType": harness.TokenExchange, "subjectTokenHeader": "X-Subject"}, nil), "Authorization", ""},
	"body style, own Authorization": {harness.OAuth2Config("/", map[string]any{"authStyle": "body"}, map[string]any{"requestHeaders": map[string]any{"Authorization": "k"}}), "Authorization", ""},
}

// TestForwardedHeaderIsTaken forwards headers that the call sets itself: the token service
// would receive the client's value beside the gateway's own credentials.
func TestForwardedHeaderIsTaken(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.SampleConfig()})
	check := func(t *testing.T, config any, header, other string) {
		t.Helper()
		log := gateway.UpdateRefused(t, config)
		text := startError(log)
		named := strings.Contains(text, header) || other != "" && strings.Contains(text, other)
		if !strings.Contains(text, "forwardHeaders") || !named {
			t.Errorf("Envoy logged %q, want an error that names forwardHeaders and %s\n%s", text, header, log)
		}
	}
	for name, test := range forwarded {
		t.Run(name, func(t *testing.T) {
			check(t, harness.Merge(test.config, map[string]any{"forwardHeaders": []string{"X-User", test.header}}), test.header, test.other)
		})
	}
	t.Run("inherited by a rule", func(t *testing.T) {
		check(t, harness.Merge(with("forwardHeaders", []string{"X-Api-Key"}), map[string]any{"_rules_": []any{map[string]any{
			"_match_route_": []string{"route-a"}, "requestHeaders": map[string]any{"x-api-key": "k"},
		}}}), "X-Api-Key", "x-api-key")
	})
	t.Run("free", func(t *testing.T) { checkForwarded(t, gateway) })
}

// checkForwarded forwards what no call sets.
func checkForwarded(t *testing.T, gateway *harness.Gateway) {
	free := map[string]map[string]any{
		"no-oauth2": harness.PlainConfig(map[string]any{"tokenPath": "access_token", "cache": map[string]any{}}),
		"body":      harness.OAuth2Config("/token", map[string]any{"authStyle": "body"}, map[string]any{"tokenHeader": "X-Token", "tokenPrefix": ""}),
	}
	for host := range free {
		free[host] = harness.Merge(free[host], map[string]any{"forwardHeaders": []string{"authorization", "X-User"}})
	}
	gateway.Update(t, harness.ByHost(free))
	gateway.Token.Handle(harness.JSON(200, `{"access_token":"token-1","expires_in":3600}`))
	for host := range free {
		t.Run(host, func(t *testing.T) {
			gateway.Token.Forget()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer of-the-client", "X-User: alice"), 200)
			call := gateway.Token.WaitCalls(t, 1)[0]
			if got := call.Header.Values("Authorization"); !slices.Equal(got, []string{"Bearer of-the-client"}) {
				t.Errorf("the token service received Authorization %q", got)
			}
			if got := call.Header.Values("X-User"); !slices.Equal(got, []string{"alice"}) {
				t.Errorf("the token service received X-User %q", got)
			}
		})
	}
}
