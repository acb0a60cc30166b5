package tokenservice

import (
	"slices"
	"testing"
)

func TestOAuth2Errors(t *testing.T) {
	const client = `"clientId": "id", "clientSecret": "s3cr3t"`
	inOAuth2 := func(oauth2 string) string { return oauth2Config(oauth2, "") }
	checkErrors(t, map[string]errorCase{
		"no id":                 {inOAuth2(`"clientSecret": "s3cr3t"`), `missing oauth2.clientId in config`},
		"no secret":             {inOAuth2(`"clientId": "id"`), `missing oauth2.clientSecret in config`},
		"empty variable":        {inOAuth2(`"clientId": "id", "clientSecret": "${EMPTY}"`), `missing oauth2.clientSecret in config`},
		"grant":                 {inOAuth2(client + `, "grantType": "im plicit"`), `invalid oauth2.grantType in config: "im plicit" (want the name of a grant, or an absolute URI: client_credentials, urn:ietf:params:oauth:grant-type:token-exchange, urn:ietf:params:oauth:grant-type:jwt-bearer, password, or another, with its fields in params)`},
		"grant, no scheme":      {inOAuth2(client + `, "grantType": "1a:b"`), `invalid oauth2.grantType in config: "1a:b" (want the name of a grant, or an absolute URI: client_credentials, urn:ietf:params:oauth:grant-type:token-exchange, urn:ietf:params:oauth:grant-type:jwt-bearer, password, or another, with its fields in params)`},
		"style":                 {inOAuth2(client + `, "authStyle": "basic"`), `invalid oauth2.authStyle in config: "basic" (want header, body, none, client_secret_jwt, private_key_jwt, client_assertion)`},
		"params twice":          {inOAuth2(client + `, "params": {"grant_type": "x"}`), `invalid oauth2.params.grant_type in config: another key sets it`},
		"params, client_id":     {inOAuth2(client + `, "authStyle": "body", "params": {"client_id": "x"}`), `invalid oauth2.params.client_id in config: another key sets it`},
		"params, client_secret": {inOAuth2(client + `, "params": {"client_secret": "s3cr3t"}`), `invalid oauth2.params.client_secret in config: another key sets it`},
		"password, no user":     {inOAuth2(client + `, "grantType": "password", "params": {"password": "s3cr3t"}`), `missing oauth2.params.username in config (grantType password needs it)`},
		"password, none at all": {inOAuth2(client + `, "grantType": "password"`), `missing oauth2.params.username in config (grantType password needs it); missing oauth2.params.password in config (grantType password needs it)`},
		"another method":        {oauth2Config(client, `, "requestMethod": "GET"`), `invalid requestMethod in config: "GET" (want POST with oauth2)`},
		"a body":                {oauth2Config(client, `, "requestBody": "s3cr3t"`), `invalid requestBody in config: oauth2 makes the body itself (want more form fields in oauth2.params)`},
		"own Authorization":     {oauth2Config(client, `, "requestHeaders": {"authorization": "s3cr3t"}`), `invalid requestHeaders.authorization in config (want none with oauth2.authStyle header, which sets it: another authStyle, or in a rule null, which takes an inherited header away)`},
	})
}

const formHeaders = "content-type=application/x-www-form-urlencoded accept=application/json"

func TestOAuth2Call(t *testing.T) {
	const (
		client = `"clientId": "id", "clientSecret": "s3cr3t"`
		basic  = formHeaders + " authorization=Basic aWQ6czNjcjN0"
	)
	tests := map[string]struct {
		oauth2, more  string
		headers, form string
	}{
		"client credentials": {client, "", basic, "grant_type=client_credentials"},
		"written down":       {client + `, "grantType": "client_credentials", "authStyle": "header"`, `, "requestMethod": "POST"`, basic, "grant_type=client_credentials"},
		// RFC 6749 section 2.3.1: form-encoded before they are joined, here to i%2Bd:s%3A%25+t.
		"special characters": {`"clientId": "i+d", "clientSecret": "s:% t"`, "", formHeaders + " authorization=Basic aSUyQmQ6cyUzQSUyNSt0", "grant_type=client_credentials"},
		"in the form":        {client + `, "authStyle": "body"`, "", formHeaders, "client_id=id&client_secret=s3cr3t&grant_type=client_credentials"},
		"scopes":             {client + `, "scopes": ["a", "b"]`, "", basic, "grant_type=client_credentials&scope=a+b"},
		"resources":          {client + `, "resource": ["urn:a", "urn:b"]`, "", basic, "grant_type=client_credentials&resource=urn%3Aa&resource=urn%3Ab"},
		"params":             {client + `, "params": {"a": "b&c", "client_id": "x"}`, "", basic, "a=b%26c&client_id=x&grant_type=client_credentials"},
		"configured headers": {client + `, "authStyle": "body"`, `, "requestHeaders": {"Accept": "a/b", "Authorization": "c"}`, "accept=a/b authorization=c content-type=application/x-www-form-urlencoded", "client_id=id&client_secret=s3cr3t&grant_type=client_credentials"},
		"audiences":          {client + `, "audience": ["urn:a", "urn:b", ""]`, "", basic, "audience=urn%3Aa&audience=urn%3Ab&grant_type=client_credentials"},
		"Zoom's grant":       {client + `, "grantType": "account_credentials", "params": {"account_id": "a b"}`, "", basic, "account_id=a+b&grant_type=account_credentials"},
		"IBM's grant":        {`"authStyle": "none", "grantType": "urn:ibm:params:oauth:grant-type:apikey", "params": {"apikey": "${SECRET}"}`, "", formHeaders, "apikey=s3cr3t&grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey"},
		"a public client":    {`"clientId": "id", "authStyle": "none", "params": {"client_assertion": "of its own"}`, "", formHeaders, "client_assertion=of+its+own&client_id=id&grant_type=client_credentials"},
		"no client at all":   {`"authStyle": "none"`, "", formHeaders, "grant_type=client_credentials"},
		"an empty id":        {`"authStyle": "none", "clientId": "${EMPTY}"`, "", formHeaders, "grant_type=client_credentials"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			call := mustCall(t, mustRead(t, oauth2Config(test.oauth2, test.more)), nil)
			if got, want := written(call.Headers), ":method=POST :path=/token :authority=idp.dns "+test.headers; got != want {
				t.Errorf("headers:\ngot      %s\nexpected %s", got, want)
			}
			if got := string(call.Body); got != test.form {
				t.Errorf("form:\ngot      %s\nexpected %s", got, test.form)
			}
		})
	}
}

// A grant is sent as it is written; a slip of the pen is not what a service has as its own.
func TestGrantsThatAreProbablyNotMeant(t *testing.T) {
	const client = `"clientId": "id", "clientSecret": "s3cr3t", "grantType": `
	for grant, meant := range map[string]string{
		"client_credential": "client_credentials", "clientcredentials": "client_credentials", "Password": "password",
		"urn:ietf:params:oauth:grant-type:jwt-bearers": grantJWTBearer, "urn:ietf:params:oauth:grant_type:token-exchange": grantTokenExchange,
		"account_credentials": "", "refresh_token": "", "urn:ibm:params:oauth:grant-type:apikey": "", "https://auth.example.com/grant": "",
		"client_credentials": "", "urn:ietf:params:oauth:grant-type:saml2-bearer": "", "implicit": "",
	} {
		var want []string
		if meant != "" {
			want = []string{"oauth2.grantType is \"" + grant + "\": it is sent as it is (did you mean " + meant + "?)"}
		}
		_, s := readPart(oauth2Config(client+`"`+grant+`"`, ""), true)
		if got := s.Warnings(); s.Err() != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q (%v), expected %q", grant, got, s.Err(), want)
		}
	}
}
