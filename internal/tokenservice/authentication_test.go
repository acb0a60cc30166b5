package tokenservice

import (
	"slices"
	"strings"
	"testing"
)

// longSecret is as long as HS256 demands.
const longSecret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"

func TestErrorsOfAuthentication(t *testing.T) {
	inOAuth2 := func(oauth2 string) string { return oauth2Config(`"clientId": "id", `+oauth2, "") }
	style := func(style, more string) string { return inOAuth2(`"authStyle": "` + style + `"` + more) }
	key := func(name string) string { return `, "privateKey": ` + quoted(pemOf(t, name)) }
	checkErrors(t, map[string]errorCase{
		"body, no secret":              {style("body", ``), `missing oauth2.clientSecret in config`},
		"client_secret_jwt, short":     {style("client_secret_jwt", `, "clientSecret": "s3cr3t"`), `invalid oauth2.clientSecret in config (want at least 32 bytes with authStyle client_secret_jwt)`},
		"none, an empty secret":        {style("none", `, "clientSecret": "${EMPTY}"`), `invalid oauth2.clientSecret in config (want none with authStyle none)`},
		"private_key_jwt, a secret":    {style("private_key_jwt", `, "clientSecret": "s3cr3t"`+key("P-256")), `invalid oauth2.clientSecret in config (want none with authStyle private_key_jwt)`},
		"private_key_jwt, no key":      {style("private_key_jwt", ``), `missing oauth2.privateKey in config`},
		"private_key_jwt, no client":   {oauth2Config(`"authStyle": "private_key_jwt"`+key("P-256"), ``), `missing oauth2.clientId in config`},
		"unsupported algorithm":        {style("private_key_jwt", key("P-256")+`, "signingAlgorithm": "HS256"`), `invalid oauth2.signingAlgorithm in config: "HS256" (want ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA)`},
		"algorithm of the other curve": {style("private_key_jwt", key("P-256")+`, "signingAlgorithm": "ES384"`), `invalid oauth2.signingAlgorithm in config: "ES384" (want ES256 with this privateKey)`},
		"algorithm of another key":     {style("private_key_jwt", key("RSA")+`, "signingAlgorithm": "ES256"`), `invalid oauth2.signingAlgorithm in config: "ES256" (want RS256 or RS384 or RS512 or PS256 or PS384 or PS512 with this privateKey)`},
		"params, the assertion":        {style("private_key_jwt", key("P-256")+`, "params": {"client_assertion": "s3cr3t"}`), `invalid oauth2.params.client_assertion in config: another key sets it`},
		"params, the client":           {style("none", `, "params": {"client_id": "x"}`), `invalid oauth2.params.client_id in config: another key sets it`},
	})
}

func TestKeysOfAnotherAuthentication(t *testing.T) {
	const all = `, "privateKey": "s3cr3t", "keyId": "k", "signingAlgorithm": "ES256", "assertionAudience": "urn:a"`
	const ofKey, ofBoth = "private_key_jwt", "private_key_jwt and client_secret_jwt"
	unused := func(key, of string) string { return "oauth2." + key + " is not used: it belongs to authStyle " + of }
	none := []string{unused("privateKey", ofKey), unused("keyId", ofBoth), unused("signingAlgorithm", ofKey), unused("assertionAudience", ofBoth)}
	tests := map[string]struct {
		oauth2 string
		want   []string
	}{
		"header":            {`"clientSecret": "s"` + all, none},
		"body":              {`"authStyle": "body", "clientSecret": "s"` + all, none},
		"none":              {`"authStyle": "none"` + all, none},
		"client_secret_jwt": {`"authStyle": "client_secret_jwt", "clientSecret": "` + longSecret + `"` + all, []string{none[0], none[2]}},
		"private_key_jwt":   {`"authStyle": "private_key_jwt"` + all + `, "privateKey": ` + quoted(pemOf(t, "P-256")), nil},
	}
	for name, test := range tests {
		config := strings.Replace(test.oauth2, `"privateKey": "s3cr3t", `, "", strings.Count(test.oauth2, "privateKey")-1)
		_, s := readPart(oauth2Config(`"clientId": "id", `+config, ""), true)
		if got := s.Warnings(); s.Err() != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q and %v, expected %q", name, got, s.Err(), test.want)
		}
	}
}
