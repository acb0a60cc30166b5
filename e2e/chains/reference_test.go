package chains

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

const metadata = "https://api.example.com/.well-known/oauth-protected-resource"

// referring are rules whose calls bring what is in the request.
var referring = map[string]config{
	"header":                harness.Merge(tenant("/tenants/${request.header.X-Tenant}/token?q=${request.query.q}"), config{"failure": config{"mode": "deny"}}),
	"cookie":                tenant("/tenants/${request.cookie.tenant}/token"),
	"target":                tenant("/tenants/${request.method}/${request.path}"),
	"claim":                 tenant("/tenants/${caller.claim.org.id}/token"),
	"*.tenants.example.com": tenant("/tenants/${request.host}/token"),
	"allowed":               harness.Merge(tenant("/tenants/${request.header.X-Tenant}/token"), config{"failure": harness.Allow}),
	"traced":                harness.Merge(tenant("/traced"), config{"traceHeaders": []string{"traceparent", "X-Request-Id"}, "cache": config{}}),
	"session": harness.OAuth2Config("/session", config{"grantType": harness.TokenExchange, "subjectToken": "${request.cookie.session}"}, config{
		"challenge": config{"resourceMetadata": metadata, "scope": "read write", "realm": "shop"}}),
	"kept": harness.OAuth2Config("/kept", config{"grantType": harness.TokenExchange, "subjectToken": "${request.cookie.session}", "keepSubjectToken": true}, nil),
	"two legs": harness.OAuth2Config("/second", config{"grantType": harness.JWTBearer, "assertion": "${token.first}"}, config{
		"tokens": config{"first": harness.OAuth2Config("/first", config{"grantType": harness.TokenExchange}, nil)}}),
	"workload": harness.OAuth2Config("/workload", config{"authStyle": "client_assertion", "clientAssertion": "${token.file}", "clientSecret": nil, "clientId": nil}, config{
		"tokens": config{"file": config{"serviceName": harness.TokenName, "requestPath": "/file", "tokenIn": "body"}}}),
	"signed": {"tokenHeader": "X-Token", "jwt": config{"secret": strings.Repeat(harness.SecretMark, 10), "claims": config{"iss": "gateway", "tenant": "${request.header.X-Tenant}"}}},
}

func workloadFile(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "workload-token\n")
}

// claimsOf reads a JWT of the plugin's own.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(token, "Bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("got %q, expected a JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		t.Fatalf("got the claims %q", text)
	}
	return claims
}

func tenant(path string) config { return harness.PlainConfig(config{"requestPath": path}) }

func TestReferences(t *testing.T) {
	t.Parallel()
	rules := map[string]config{}
	for name, rule := range referring {
		rules[harness.HostName(name)] = rule
	}
	gateway := harness.Start(t, harness.Options{Details: true, Config: harness.ByHost(rules)})
	answer := harness.ByPath(map[string]http.HandlerFunc{
		"session": harness.ExchangeServer(3600), "kept": harness.ExchangeServer(3600), "first": harness.ExchangeServer(3600),
		"second":   harness.JSON(200, config{"access_token": "second", "token_type": "Bearer", "expires_in": 3600}),
		"workload": harness.JSON(200, config{"access_token": "second", "token_type": "Bearer", "expires_in": 3600}),
		"file":     workloadFile,
	}, harness.HeaderToken("X-Token", "token-1"))
	for name, test := range map[string]func(*testing.T, *harness.Gateway){
		"tenants": checkTenants, "missing": checkMissing, "traced": checkTraced, "session": checkSession, "two legs": checkTwoLegs,
		"workload": checkWorkload, "signed": checkSigned,
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(answer)
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway)
		})
	}
}

// A tenant stands where the configuration puts it, whatever its name.
func checkTenants(t *testing.T, gateway *harness.Gateway) {
	for _, c := range []struct {
		host, path string
		headers    []string
		want       string
	}{
		{"header", "/?q=a+b%26c", []string{"X-Tenant: a/b..?c#d"}, "/tenants/a%2Fb..%3Fc%23d/token?q=a%20b%26c"},
		{"cookie", "/", []string{"Cookie: a=b; tenant=t-1"}, "/tenants/t-1/token"},
		{"target", "/x/y?z", nil, "/tenants/GET/%2Fx%2Fy"},
		{"claim", "/", []string{"Authorization: Bearer " + harness.UnsignedJWT(`{"org": {"id": 12345678901234567890}}`)}, "/tenants/12345678901234567890/token"},
		{"A.tenants.example.com", "/", nil, "/tenants/a.tenants.example.com/token"},
	} {
		gateway.Token.Forget()
		answer := gateway.Get(t, c.path, append(c.headers, "Host: "+c.host)...)
		harness.CheckStatus(t, answer, 200)
		if calls := gateway.Token.Calls(); len(calls) != 1 || calls[0].URI != c.want {
			t.Errorf("%s: got %v, expected one call of %s", c.host, calls, c.want)
		}
	}
}

// Who lacks what a call refers to gets no token, and there is no call.
func checkMissing(t *testing.T, gateway *harness.Gateway) {
	before := gateway.Counters(t, harness.Counters{"references_missing": 0})
	long := strings.Repeat("x", 16<<10+1)
	for _, headers := range [][]string{nil, {"X-Tenant: "}, {"X-Tenant: .."}, {"X-Tenant: " + long}} {
		answer := gateway.Get(t, "/?q=1", append(headers, "Host: header")...)
		harness.CheckStatus(t, answer, 500)
		if got := answer.Header.Get(harness.DetailsHeader); got != "token_fetch.missing_reference" {
			t.Errorf("%.40v: got the detail %q", headers, got)
		}
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: allowed", "X-Token: forged"), 200)
	gateway.Upstream.CheckHeader(t, "X-Token")
	if calls := gateway.Token.Calls(); len(calls) > 0 {
		t.Errorf("got %d calls, expected none", len(calls))
	}
	gateway.WaitGrowth(t, before, harness.Counters{"references_missing": 5})
	gateway.WaitLog(t, "the request has no usable ${request.header.x-tenant}")
}

// The request that causes a call sends its trace along, and the next has the same token.
func checkTraced(t *testing.T, gateway *harness.Gateway) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	get(t, gateway, "traced", 200, "traceparent: "+trace)
	get(t, gateway, "traced", 200, "traceparent: other")
	calls := gateway.Token.Calls()
	if len(calls) != 1 || calls[0].Header.Get("traceparent") != trace || calls[0].Header.Get("x-request-id") == "" {
		t.Errorf("got %v, expected one call with the first trace", calls)
	}
}

// A session's cookie is exchanged, and cut out of the header.
func checkSession(t *testing.T, gateway *harness.Gateway) {
	get(t, gateway, "session", 200, "Cookie: a=b; session=alice; c=d")
	gateway.Upstream.CheckHeader(t, "Cookie", "a=b; c=d")
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer alice-1")
	get(t, gateway, "session", 200, "Cookie: session=alice")
	gateway.Upstream.CheckHeader(t, "Cookie")
	get(t, gateway, "kept", 200, "Cookie: session=alice")
	gateway.Upstream.CheckHeader(t, "Cookie", "session=alice")
	for _, headers := range [][]string{nil, {"Cookie: a=b"}, {"Cookie: session=alice; session=bob"}, {"Cookie: session=a b"}} {
		answer := get(t, gateway, "session", 401, headers...)
		if got, want := answer.Header.Get("WWW-Authenticate"), `Bearer realm="shop", scope="read write", resource_metadata="`+metadata+`"`; got != want {
			t.Errorf("got the challenge %q, expected %q", got, want)
		}
	}
}

// The caller's token becomes a grant, and that the token for the upstream: as in Cross App Access.
func checkTwoLegs(t *testing.T, gateway *harness.Gateway) {
	for range 2 {
		get(t, gateway, "two-legs", 200, "Authorization: Bearer alice")
	}
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer second")
	calls := gateway.Token.Calls()
	if len(calls) != 2 {
		t.Fatalf("got %d calls, expected 2", len(calls))
	}
	form, _ := url.ParseQuery(calls[1].Body)
	if got := form.Get("assertion"); got != "alice-1" || form.Get("grant_type") != harness.JWTBearer {
		t.Errorf("got the form %v, expected the assertion alice-1", form)
	}
	harness.CheckUnauthorized(t, gateway.Get(t, "/", "Host: two-legs"), `Bearer realm="token-fetch"`)
	gateway.Token.Handle(harness.Refusal(400, "invalid_grant"))
	harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: two-legs", "Authorization: Bearer mallory"))
}

// The workload's own token is the client's assertion.
func checkWorkload(t *testing.T, gateway *harness.Gateway) {
	get(t, gateway, "workload", 200)
	calls := gateway.Token.Calls()
	form, _ := url.ParseQuery(calls[len(calls)-1].Body)
	if form.Get("client_assertion") != "workload-token" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Has("client_id") {
		t.Errorf("got the form %v", form)
	}
}

// A token that the plugin signs needs no call.
func checkSigned(t *testing.T, gateway *harness.Gateway) {
	get(t, gateway, "signed", 200, `X-Tenant: a","sub":"root`)
	token := gateway.Upstream.Last(t).Header.Get("X-Token")
	claims := claimsOf(t, token)
	names := slices.Sorted(maps.Keys(claims))
	if want := []string{"exp", "iat", "iss", "jti", "tenant"}; !slices.Equal(names, want) || claims["tenant"] != `a","sub":"root` {
		t.Errorf("got the claims %v, expected %v with the tenant as it is", claims, want)
	}
	get(t, gateway, "signed", 200, `X-Tenant: a","sub":"root`)
	if again := gateway.Upstream.Last(t).Header.Get("X-Token"); again != token {
		t.Error("the same claims were signed again, expected the token to be kept")
	}
	if calls := gateway.Token.Calls(); len(calls) > 0 {
		t.Errorf("got %d calls, expected none", len(calls))
	}
}
