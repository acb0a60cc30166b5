package bench

import (
	"fmt"
	"maps"
)

// tokenExchange has a token for each bearer token of a client.
func tokenExchange() candidate {
	c := plugin(cachedExchange, fmt.Sprintf("this plugin, `oauth2` with token exchange: a token for each bearer token, here of %d bytes", len(bearerToken())), map[string]any{
		"requestPath": "/oauth", "tokenHeader": "Authorization",
		"oauth2": map[string]any{
			"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "clientId": "benchmark", "clientSecret": "benchmark",
		},
	})
	c.Wants = "authorization: Bearer " + oauthToken
	return c
}

// exchangeToAnotherHeader has to take the client's own token off each request.
func exchangeToAnotherHeader() candidate {
	c := tokenExchange()
	c.Name, c.About = exchangeRemoved, "the same with the token in another header, so that the client's own is removed"
	c.settings = maps.Clone(c.settings)
	c.settings["tokenHeader"] = "x-token"
	c.Wants = "x-token: Bearer " + oauthToken
	return c
}
