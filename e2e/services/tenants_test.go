package services_test

import (
	"fmt"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// Each tenant's requests get a token from the tenant's own endpoint; a request without a tenant makes no call.
func TestTenants(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	gateway := harness.Start(t, harness.Options{Env: environment, Details: true, Config: harness.Config{"_rules_": []harness.Config{
		harness.Merge(here(recipes["tenant from a claim"]), harness.Config{"_match_domain_": []string{"claim.test"}}),
		harness.Merge(here(recipes["tenant from a header"]), harness.Config{"_match_domain_": []string{"header.test"}}),
		harness.Merge(here(recipes["tenant from the host"]), harness.Config{"_match_domain_": []string{"*.example.com"}}),
		harness.Merge(here(recipes["ID-JAG"]), harness.Config{"_match_domain_": []string{"jag.test"}}),
	}}})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		harness.JSON(200, harness.Config{"access_token": r.Host + r.RequestURI, "token_type": "Bearer", "expires_in": 300})(w, r)
	})
	of := func(tenant string) string {
		return "Authorization: Bearer " + harness.UnsignedJWT(`{"sub": "alice", "tenant": "`+tenant+`"}`)
	}
	const challenge = `Bearer realm="token-fetch", resource_metadata="https://gateway.example.com/.well-known/oauth-protected-resource/chat"`
	for name, test := range map[string]struct {
		request []string
		tenant  string // empty: the answer is the plugin's, with
		status  int
		header  string
		value   string
	}{
		"claim":               {request: []string{"Host: claim.test", of("acme")}, tenant: "acme"},
		"another claim":       {request: []string{"Host: claim.test", of("globex/acme")}, tenant: "globex%2Facme"},
		"another tenant":      {request: []string{"Host: claim.test", of("globex/../acme")}, status: 500, header: harness.DetailsHeader, value: "token_fetch.missing_reference"},
		"no claim":            {request: []string{"Host: claim.test", "Authorization: Bearer opaque"}, status: 500, header: harness.DetailsHeader, value: "token_fetch.missing_reference"},
		"no token":            {request: []string{"Host: claim.test"}, status: 401, header: "WWW-Authenticate", value: `Bearer realm="token-fetch"`},
		"host":                {request: []string{"Host: acme.example.com"}, tenant: "acme.example.com"},
		"another host":        {request: []string{"Host: GLOBEX.example.com:8080"}, tenant: "globex.example.com"},
		"header":              {request: []string{"Host: header.test", "X-Tenant: acme"}, tenant: "acme"},
		"another header":      {request: []string{"Host: header.test", "X-Tenant: a?b=c#d e"}, tenant: "a%3Fb%3Dc%23d%20e"},
		"no header":           {request: []string{"Host: header.test"}, status: 500, header: harness.DetailsHeader, value: "token_fetch.missing_reference"},
		"ID-JAG, no ID token": {request: []string{"Host: jag.test"}, status: 401, header: "WWW-Authenticate", value: challenge},
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			for range 2 {
				answer := gateway.Get(t, "/", test.request...)
				if test.tenant == "" {
					harness.CheckStatus(t, answer, test.status)
					if got := answer.Header.Get(test.header); got != test.value {
						t.Errorf("%s is %q, want %q", test.header, got, test.value)
					}
					continue
				}
				harness.CheckStatus(t, answer, 200)
				gateway.Upstream.CheckHeader(t, "Authorization", "Bearer sso.example.com/tenants/"+test.tenant+"/token")
			}
			if got, want := len(gateway.Token.Calls()), min(len(test.tenant), 1); got != want {
				t.Errorf("%d token calls for two requests, want %d", got, want)
			}
		})
	}
}

// WeCom's API finds the token in the query, and not the client's own.
func TestTokenInQuery(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	filters, _ := readRecipes(t, "filter")
	gateway := harness.Start(t, harness.Options{Config: here(recipes["WeCom"]), Env: environment, Filters: []any{filters["WeCom"]}})
	reply := `{"errcode": 40013, "errmsg": "invalid corpid", "access_token": "bad"}`
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("corpid") != secretOf("WECOM_CORP_ID") || query.Get("corpsecret") != secretOf("WECOM_CORP_SECRET") || r.Host != "qyapi.weixin.qq.com" {
			t.Errorf("called %s%s", r.Host, r.RequestURI)
		}
		answers(200, reply)(w)
	})
	harness.CheckStatus(t, gateway.Get(t, "/cgi-bin/user/get"), 500)
	reply = `{"errcode": 0, "errmsg": "ok", "access_token": "accesstoken000001", "expires_in": 7200}`
	harness.Eventually(t, harness.Limit, func() error {
		if answer := gateway.Get(t, "/cgi-bin/user/get?userid=zhangsan&access_token=forged"); answer.Status != 200 {
			return fmt.Errorf("answered %d", answer.Status)
		}
		return nil
	})
	if got, want := gateway.Upstream.Last(t).URI, "/cgi-bin/user/get?access_token=accesstoken000001&userid=zhangsan"; got != want {
		t.Errorf("the upstream got %s, want %s", got, want)
	}
}
