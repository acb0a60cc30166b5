package services_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// chains are the services of the recipes whose calls are made of other tokens, or that sign a token.
func chains() []service {
	in := time.Now().Add(time.Hour).UTC()
	workload := harness.UnsignedJWT(fmt.Sprintf(`{"exp": %d}`, in.Unix()))
	file := func(path string) call {
		return call{[]func(*received) error{is("GET", "workload.static", path), noHeader("Authorization")}, answers(200, workload+"\n", "Content-Type: text/plain")}
	}
	vaultLogin := func(target, request string) call {
		return call{[]func(*received) error{is("POST", "vault.example.com", target), json(request)},
			answers(200, `{"auth": {"client_token": "hvs.CAES", "lease_duration": 3600, "renewable": true}}`, "Cache-Control: no-store")}
	}
	vaultSecret := service{
		takes:  []func(*received) error{is("GET", "vault.example.com", "/v1/secret/data/orders-api"), header("X-Vault-Token", "hvs.CAES")},
		answer: answers(200, `{"lease_duration": 0, "data": {"data": {"token": "s3cr3t"}, "metadata": {"version": 1}}}`, "Cache-Control: no-store"),
		header: "Authorization", want: "Bearer s3cr3t",
	}
	secretBy := func(recipe string, before ...call) service {
		s := vaultSecret
		s.recipe, s.before = recipe, before
		return s
	}
	snowflake := "MYORG-MYACCOUNT.GATEWAY"
	return []service{
		secretBy("Vault secret", vaultLogin("/v1/auth/approle/login", `{"role_id": "$VAULT_ROLE_ID", "secret_id": "$VAULT_SECRET_ID"}`)),
		secretBy("Vault secret by a workload's token", file("/vault-token"), vaultLogin("/v1/auth/jwt/login", `{"role": "gateway", "jwt": "`+workload+`"}`)),
		{
			recipe: "GitHub App",
			takes: []func(*received) error{is("POST", "api.github.com", "/app/installations/12345678/access_tokens"), header("Accept", "application/vnd.github+json"), body(""),
				signed(bearer, 300*time.Second, map[string]any{"iss": "Iv23example"})},
			answer: answers(201, `{"token": "ghs_16C7e", "expires_at": "`+in.Format(time.RFC3339)+`", "permissions": {"contents": "read"}, "repository_selection": "all"}`,
				"Cache-Control: public, max-age=60, s-maxage=60"),
			header: "Authorization", want: "Bearer ghs_16C7e",
		},
		{
			recipe: "Google service account",
			takes: []func(*received) error{is("POST", "oauth2.googleapis.com", "/token"), noHeader("Authorization"), form("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion=*"),
				signed(field("assertion"), 300*time.Second, map[string]any{"iss": "gateway@my-project.iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token",
					"scope": "https://www.googleapis.com/auth/cloud-platform"})},
			answer: answers(200, `{"access_token": "ya29.c.account", "token_type": "Bearer", "expires_in": 3599}`),
			header: "Authorization", want: "Bearer ya29.c.account",
		},
		{
			recipe: "Google workload identity federation",
			before: []call{file("/google-token"), {[]func(*received) error{is("POST", "sts.googleapis.com", "/v1/token"), noHeader("Authorization"), form(
				"grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "subject_token="+workload, "subject_token_type=urn:ietf:params:oauth:token-type:jwt",
				"requested_token_type=urn:ietf:params:oauth:token-type:access_token", "scope=https://www.googleapis.com/auth/cloud-platform",
				"audience=//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/gateways/providers/cluster")},
				answers(200, `{"access_token": "ya29.d.federated", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 3599}`)}},
			takes: []func(*received) error{is("POST", "iamcredentials.googleapis.com", "/v1/projects/-/serviceAccounts/gateway@my-project.iam.gserviceaccount.com:generateAccessToken"),
				header("Authorization", "Bearer ya29.d.federated"), header("Content-Type", "application/json"), json(`{"scope": ["https://www.googleapis.com/auth/cloud-platform"]}`)},
			answer: answers(200, `{"accessToken": "ya29.c.impersonated", "expireTime": "`+in.Format(time.RFC3339)+`"}`, "Cache-Control: private"),
			header: "Authorization", want: "Bearer ya29.c.impersonated",
		},
		{
			recipe: "Entra ID with a workload's token", before: []call{file("/azure-identity-token")},
			takes: []func(*received) error{is("POST", "login.microsoftonline.com", "/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token"), noHeader("Authorization"), form(
				"grant_type=client_credentials", "client_id=11111111-1111-1111-1111-111111111111", "client_assertion="+workload,
				"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "scope=api://orders/.default")},
			answer: answers(200, `{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "eyJ.entra.sig"}`, "Cache-Control: no-store, no-cache"),
			header: "Authorization", want: "Bearer eyJ.entra.sig",
		},
		{
			recipe: "Azure Key Vault",
			before: []call{{[]func(*received) error{is("GET", "169.254.169.254", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"), header("Metadata", "true")},
				answers(200, `{"access_token": "eyJ.azure.sig", "expires_in": "86399", "expires_on": "`+fmt.Sprint(in.Unix())+`", "token_type": "Bearer"}`)}},
			takes:  []func(*received) error{is("GET", "my-vault.vault.azure.net", "/secrets/orders-api-key?api-version=7.4"), header("Authorization", "Bearer eyJ.azure.sig")},
			answer: answers(200, `{"value": "k3y", "id": "https://my-vault.vault.azure.net/secrets/orders-api-key/4387e9f3", "attributes": {"enabled": true}}`, "Cache-Control: no-cache", "Expires: -1"),
			header: "X-Api-Key", want: "k3y",
		},
		{
			recipe: "Snowflake key pair",
			signed: signed(bearer, time.Hour, map[string]any{"sub": snowflake, "iss": snowflake + ".SHA256:" + valueOf(nil, "SNOWFLAKE_FINGERPRINT")}),
		},
		{
			recipe: "DingTalk",
			takes: []func(*received) error{is("POST", "api.dingtalk.com", "/v1.0/oauth2/accessToken"), header("Content-Type", "application/json"),
				json(`{"appKey": "$DINGTALK_APP_KEY", "appSecret": "$DINGTALK_APP_SECRET"}`)},
			answer: answers(200, `{"accessToken": "fw8ef8we8f76e6f7s8dxxxx", "expireIn": 7200}`),
			header: "X-Acs-Dingtalk-Access-Token", want: "fw8ef8we8f76e6f7s8dxxxx",
		},
		{
			recipe: "ID-JAG", client: []string{"Authorization: Bearer eyJ.alice.sig"},
			before: []call{{[]func(*received) error{is("POST", "idp.example.com", "/oauth2/token"), basic("gateway-at-idp", "$IDP_CLIENT_SECRET"), form(
				"grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "subject_token=eyJ.alice.sig", "subject_token_type=urn:ietf:params:oauth:token-type:id_token",
				"requested_token_type=urn:ietf:params:oauth:token-type:id-jag", "audience=https://auth.chat.example/", "resource=https://api.chat.example/", "scope=chat.read")},
				answers(200, `{"access_token": "eyJ.jag.sig", "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A", "expires_in": 300}`)}},
			takes: []func(*received) error{is("POST", "auth.chat.example", "/oauth2/token"), basic("gateway-at-chat", "$CHAT_CLIENT_SECRET"), form(
				"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion=eyJ.jag.sig")},
			answer: answers(200, `{"access_token": "chat-token-of-alice", "token_type": "Bearer", "expires_in": 3600}`),
			header: "Authorization", want: "Bearer chat-token-of-alice",
		},
	}
}

// Each tenant's requests have their own token, of its own endpoint, and a request without one makes no call.
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
