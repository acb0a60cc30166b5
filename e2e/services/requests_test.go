package services_test

import (
	"net/http"
	"slices"
	"testing"

	"token-fetch/e2e/harness"
)

// Requests of public routes and preflights need no token: they go on without one, and without what they say in its name.
func TestRequestsWithoutToken(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(harness.Config{
		"tokenHeader": "X-Token", "tokenPath": "access_token", "tokenPrefix": "", "bypassMethods": []string{"OPTIONS"}, "upstreamHeaders": harness.Config{"X-User": "body:user"},
		"oauth2": harness.Config{"grantType": harness.TokenExchange, "clientId": "id", "clientSecret": harness.SecretMark, "allowMissing": true},
	})})
	gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
		answers(200, `{"access_token": "t1", "user": "ann", "token_type": "Bearer", "expires_in": 60}`)(w)
	})
	for name, test := range map[string]struct {
		method  string
		headers []string
		status  int
		token   []string
		calls   int
	}{
		"preflight":         {http.MethodOptions, []string{"X-Token: forged", "X-User: forged", "Authorization: Bearer abc"}, 200, nil, 0},
		"anonymous":         {http.MethodGet, []string{"X-Token: forged", "X-User: forged"}, 200, nil, 0},
		"other credentials": {http.MethodGet, []string{"Authorization: Basic YTpi", "X-User: forged"}, 200, nil, 0},
		"a bad token":       {http.MethodGet, []string{"Authorization: Bearer a,b"}, 401, nil, 0},
		"a token":           {http.MethodGet, []string{"Authorization: Bearer abc", "X-Token: forged"}, 200, []string{"t1"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			answer := gateway.Do(t, gateway.Request(t, test.method, "/", "", test.headers...))
			harness.CheckStatus(t, answer, test.status)
			if calls := len(gateway.Token.Calls()); calls != test.calls {
				t.Errorf("%d token calls, want %d", calls, test.calls)
			}
			if test.status != 200 {
				gateway.Upstream.CheckNotReached(t)
				return
			}
			received := gateway.Upstream.Last(t).Header
			if got := received.Values("X-Token"); !slices.Equal(got, test.token) {
				t.Errorf("the upstream received X-Token %q, want %q", got, test.token)
			}
			if got := received.Get("X-User"); got == "forged" {
				t.Error("the upstream received the client's X-User")
			}
			if got := received.Get("Authorization"); got != "" {
				t.Errorf("the upstream received Authorization %q", got)
			}
		})
	}
}

// Whatever the outcome of the call, the client's cookies with the token's name are removed and its others are forwarded.
func TestCookieAsToken(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{HTTP2Upstream: true, Config: harness.PlainConfig(harness.Config{
		"tokenHeader": "Cookie", "tokenIn": "cookie", "tokenCookie": []string{"SESSION", "csrf"}, "failure": harness.Config{"mode": "allow"},
		"_rules_": []any{harness.Config{"_match_domain_": []string{"own.test"}, "overwrite": false}},
	})})
	client := []string{"Cookie: a=1; session=forged", "Cookie: SESSION=forged;csrf=forged; b=2"}
	for name, test := range map[string]struct {
		host, setCookie string
		status          int
		headers         []string
		want            []string
	}{
		"set":                {"a.test", "SESSION=abc; Path=/; HttpOnly", 200, client, []string{"SESSION=abc; a=1; b=2"}},
		"no client's":        {"a.test", "SESSION=abc; Path=/", 200, nil, []string{"SESSION=abc"}},
		"no token":           {"a.test", "other=1", 200, client, []string{"a=1; b=2"}},
		"no token, only own": {"a.test", "other=1", 200, []string{"Cookie: SESSION=forged"}, nil},
		"a failed call":      {"a.test", "SESSION=abc", 500, client, []string{"a=1; b=2"}},
		"the client's own":   {"own.test", "SESSION=abc", 200, []string{"Cookie: a=1; SESSION=mine"}, []string{"a=1; SESSION=mine"}},
		"not its own":        {"own.test", "SESSION=abc", 200, []string{"Cookie: a=1; csrf=mine; SESSION="}, []string{"SESSION=abc; a=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
				answers(test.status, "", "Set-Cookie: "+test.setCookie)(w)
			})
			answer := gateway.Get(t, "/", append(slices.Clone(test.headers), "Host: "+test.host)...)
			harness.CheckStatus(t, answer, http.StatusOK)
			if got := gateway.Upstream.Last(t).Header.Values("Cookie"); !slices.Equal(got, test.want) {
				t.Errorf("the upstream received the cookies %q, want %q", got, test.want)
			}
		})
	}
}
