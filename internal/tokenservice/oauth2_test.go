package tokenservice

import (
	"net/url"
	"slices"
	"testing"
)

func TestOAuth2Errors(t *testing.T) {
	const client = `"clientId": "id", "clientSecret": "s3cr3t"`
	inOAuth2 := func(oauth2 string) string { return oauth2Config(oauth2, "") }
	checkErrors(t, map[string]errorCase{
		"no object":             {`{"serviceName": "a.dns", "requestPath": "/", "oauth2": 12345}`, `invalid oauth2 in config: 12345 (want an object)`},
		"no id":                 {inOAuth2(`"clientSecret": "s3cr3t"`), `missing oauth2.clientId in config`},
		"no secret":             {inOAuth2(`"clientId": "id"`), `missing oauth2.clientSecret in config`},
		"empty variable":        {inOAuth2(`"clientId": "id", "clientSecret": "${EMPTY}"`), `missing oauth2.clientSecret in config`},
		"secret's type":         {inOAuth2(`"clientId": "id", "clientSecret": 12345`), `invalid oauth2.clientSecret in config (want a string)`},
		"grant":                 {inOAuth2(client + `, "grantType": "implicit"`), `invalid oauth2.grantType in config: "implicit" (want client_credentials, urn:ietf:params:oauth:grant-type:token-exchange, password)`},
		"style":                 {inOAuth2(client + `, "authStyle": "basic"`), `invalid oauth2.authStyle in config: "basic" (want header, body, none, client_secret_jwt, private_key_jwt)`},
		"scopes":                {inOAuth2(client + `, "scopes": "a b"`), `invalid oauth2.scopes in config: "a b" (want a list of strings)`},
		"resource":              {inOAuth2(client + `, "resource": 5`), `invalid oauth2.resource in config: 5 (want a string or a list of strings)`},
		"params":                {inOAuth2(client + `, "params": {"a": 5}`), `invalid oauth2.params.a in config (want a string)`},
		"params twice":          {inOAuth2(client + `, "params": {"grant_type": "x"}`), `invalid oauth2.params.grant_type in config: another key sets it`},
		"params, scope":         {inOAuth2(client + `, "scopes": ["a"], "params": {"scope": "x"}`), `invalid oauth2.params.scope in config: another key sets it`},
		"params, client_id":     {inOAuth2(client + `, "authStyle": "body", "params": {"client_id": "x"}`), `invalid oauth2.params.client_id in config: another key sets it`},
		"params, client_secret": {inOAuth2(client + `, "params": {"client_secret": "s3cr3t"}`), `invalid oauth2.params.client_secret in config: another key sets it`},
		"params, subject_token": {inOAuth2(exchange + `, "params": {"subject_token": "s3cr3t"}`), `invalid oauth2.params.subject_token in config: another key sets it`},
		"params, its type":      {inOAuth2(exchange + `, "params": {"subject_token_type": "x"}`), `invalid oauth2.params.subject_token_type in config: another key sets it`},
		"password, no user":     {inOAuth2(client + `, "grantType": "password", "params": {"password": "s3cr3t"}`), `missing oauth2.params.username in config (grantType password needs it)`},
		"password, empty":       {inOAuth2(client + `, "grantType": "password", "params": {"username": "ann", "password": "${EMPTY}"}`), `missing oauth2.params.password in config (grantType password needs it)`},
		"password, none at all": {inOAuth2(client + `, "grantType": "password"`), `missing oauth2.params.username in config (grantType password needs it)`},
		"subject header":        {inOAuth2(exchange + `, "subjectTokenHeader": ":path"`), `invalid oauth2.subjectTokenHeader in config: ":path" (want ` + settable + `)`},
		"another method":        {oauth2Config(client, `, "requestMethod": "GET"`), `invalid requestMethod in config: "GET" (want POST with oauth2)`},
		"a body":                {oauth2Config(client, `, "requestBody": "s3cr3t"`), `invalid requestBody in config: oauth2 makes the body itself (want more form fields in oauth2.params)`},
		"unknown key":           {inOAuth2(client + `, "client_id": "x"`), `unknown key oauth2.client_id in config (did you mean oauth2.clientId?)`},
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
		"by variables":       {`"clientId": "${NAME}", "clientSecret": "${SECRET}", "authStyle": "body"`, "", formHeaders, "client_id=value&client_secret=s3cr3t&grant_type=client_credentials"},
		"scopes":             {client + `, "scopes": ["a", "b"]`, "", basic, "grant_type=client_credentials&scope=a+b"},
		"no scopes":          {client + `, "scopes": []`, "", basic, "grant_type=client_credentials"},
		"audience":           {client + `, "audience": "https://a"`, "", basic, "audience=https%3A%2F%2Fa&grant_type=client_credentials"},
		"resource":           {client + `, "resource": "urn:a"`, "", basic, "grant_type=client_credentials&resource=urn%3Aa"},
		"resources":          {client + `, "resource": ["urn:a", "urn:b"]`, "", basic, "grant_type=client_credentials&resource=urn%3Aa&resource=urn%3Ab"},
		"params":             {client + `, "params": {"a": "b&c", "client_id": "x"}`, "", basic, "a=b%26c&client_id=x&grant_type=client_credentials"},
		"password":           {client + `, "grantType": "password", "params": {"username": "ann", "password": "${SECRET}"}`, "", basic, "grant_type=password&password=s3cr3t&username=ann"},
		"configured headers": {client, `, "requestHeaders": {"Accept": "a/b", "Authorization": "c"}`, "accept=a/b authorization=c content-type=application/x-www-form-urlencoded", "grant_type=client_credentials"},
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

// RFC 8693 section 2.1.
func TestExchangeCall(t *testing.T) {
	tests := map[string]struct {
		oauth2, header, value string
		want                  url.Values
	}{
		"as it is by itself": {exchange, "authorization", "Bearer abc+/=", url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc+/="}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}},
		"another header and type": {exchange + `, "subjectTokenHeader": "X-Subject", "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt", "authStyle": "body"`, "x-subject", "abc", url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "client_id": {"id"}, "client_secret": {"s3cr3t"}}},
		"more fields": {exchange + `, "audience": "a", "params": {"requested_token_type": "urn:x"}`, "authorization", "Bearer abc", url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {"a"}, "requested_token_type": {"urn:x"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := mustRead(t, oauth2Config(test.oauth2, ""))
			c := callerOf(t, service, [][2]string{{test.header, test.value}})
			form, err := url.ParseQuery(string(mustCall(t, service, c).Body))
			if err != nil {
				t.Fatal(err)
			}
			if form.Encode() != test.want.Encode() {
				t.Errorf("form:\ngot      %s\nexpected %s", form.Encode(), test.want.Encode())
			}
		})
	}
}

func TestKeysOfAnExchangeBesideAnotherGrant(t *testing.T) {
	_, s := readPart(oauth2Config(`"clientId": "id", "clientSecret": "s3cr3t", "subjectTokenHeader": "X-A", "subjectTokenType": "urn:a"`, ""), true)
	const why = " is not used: it belongs to grantType urn:ietf:params:oauth:grant-type:token-exchange"
	want := []string{"oauth2.subjectTokenHeader" + why, "oauth2.subjectTokenType" + why}
	if got := s.Warnings(); s.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("got %q and %v, expected %q", got, s.Err(), want)
	}
}

func TestBearer(t *testing.T) {
	exchange := &subjectToken{header: "authorization"}
	custom := &subjectToken{header: "x-user-token"}
	tests := map[string]struct {
		subject *subjectToken
		value   string
		want    string
	}{
		"bearer":                 {exchange, "Bearer abc.def", "abc.def"},
		"other case and spaces":  {exchange, " bEARER   abc ", "abc"},
		"empty":                  {exchange, "", ""},
		"scheme only":            {exchange, "Bearer ", ""},
		"basic":                  {exchange, "Basic YTpi", ""},
		"no scheme":              {exchange, "abc", ""},
		"two tokens":             {exchange, "Bearer abc, Bearer def", ""},
		"form injection":         {exchange, "Bearer abc&scope=admin", ""},
		"own header":             {custom, "abc", "abc"},
		"own header with bearer": {custom, "Bearer abc", "abc"},
		"own header, two words":  {custom, "Token abc", ""},
	}
	for name, test := range tests {
		got, ok := test.subject.bearer(test.value)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: got %q and %v, expected %q", name, got, ok, test.want)
		}
	}
}
