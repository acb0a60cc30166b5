package chains

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

const metadata = "https://api.example.com/.well-known/oauth-protected-resource"

// referring are rules whose calls contain values of the request.
var referring = map[string]config{
	"header":  harness.Merge(tenant("/tenants/${request.header.X-Tenant}/token?q=${request.query.q}"), config{"failure": config{"mode": "deny"}}),
	"allowed": harness.Merge(tenant("/tenants/${request.header.X-Tenant}/token"), config{"failure": harness.Allow}),
	"traced":  harness.Merge(tenant("/traced"), config{"traceHeaders": []string{"traceparent", "X-Request-Id"}, "cache": config{}}),
	"session": harness.OAuth2Config("/session", config{"grantType": harness.TokenExchange, "subjectToken": "${request.cookie.session}"}, config{
		"challenge": config{"resourceMetadata": metadata, "scope": "read write", "realm": "shop"}}),
	"kept": harness.OAuth2Config("/kept", config{"grantType": harness.TokenExchange, "subjectToken": "${request.cookie.session}", "keepSubjectToken": true}, nil),
	"two legs": harness.OAuth2Config("/second", config{"grantType": harness.JWTBearer, "assertion": "${token.first}"}, config{
		"tokens": config{"first": harness.OAuth2Config("/first", config{"grantType": harness.TokenExchange}, nil)}}),
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
		"second": harness.JSON(200, config{"access_token": "second", "token_type": "Bearer", "expires_in": 3600}),
	}, harness.HeaderToken("X-Token", "token-1"))
	for name, test := range map[string]func(*testing.T, *harness.Gateway){
		"missing": checkMissing, "traced": checkTraced, "session": checkSession, "two legs": checkTwoLegs,
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(answer)
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway)
		})
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
