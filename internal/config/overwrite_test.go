package config

import "testing"

// exchangeWith is a token exchange with an actor and additional keys.
func exchangeWith(more string) string {
	return `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t", "grantType": "` + exchangeGrant + `", "actorTokenHeader": "X-Actor"}, ` + more + `}`
}

// A request that brings a token to be exchanged must not go on with it as if it were the one for the upstream. What
// inherits such keys may be switched off.
func TestOverwriteBesideAnExchange(t *testing.T) {
	const never = "invalid overwrite in config: false (want true: tokenHeader also carries the caller's token, so no request would ever be exchanged)"
	tests := map[string]struct{ config, want string }{
		"the subject's header":    {exchangeWith(`"overwrite": false`), never},
		"the actor's header":      {exchangeWith(`"tokenHeader": "X-Actor", "overwrite": false`), never},
		"in a rule":               {exchangeWith(`"_rules_": [{"_match_route_": ["a"], "overwrite": false}]`), "_rules_[0]: " + never},
		"token in another header": {exchangeWith(`"tokenHeader": "X-Token", "overwrite": false`), ""},
		"only for rules":          {exchangeWith(`"enabled": false, "overwrite": false, "_rules_": [{"_match_route_": ["a"], "overwrite": true}]`), ""},
	}
	for name, test := range tests {
		_, err := parse(test.config)
		if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want) {
			t.Errorf("%s: got %v, expected %q", name, err, test.want)
		}
	}
}
