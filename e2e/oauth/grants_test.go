package oauth

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

const jwtType = "urn:ietf:params:oauth:token-type:jwt"

// grantRequests are the calls that come of a caller's request.
var grantRequests = map[string]struct {
	oauth2  map[string]any
	headers []string
	form    url.Values
	token   string // that the upstream receives
	inForm  bool   // the client authenticates itself in the form
}{
	"assertion": {
		oauth2: harness.Assertion, headers: []string{"Authorization: Bearer a.b-._~+/=="},
		form:  url.Values{"grant_type": {harness.JWTBearer}, "assertion": {"a.b-._~+/=="}},
		token: "Bearer a.b-._~+/==-1",
	},
	"on behalf of": { // as Entra ID has it
		oauth2: harness.Merge(harness.Assertion, map[string]any{"authStyle": "body", "scopes": []string{"api://orders/.default"},
			"params": map[string]any{"requested_token_use": "on_behalf_of"}}),
		headers: []string{"Authorization: Bearer alice"},
		form: url.Values{"grant_type": {harness.JWTBearer}, "assertion": {"alice"}, "scope": {"api://orders/.default"},
			"requested_token_use": {"on_behalf_of"}, "client_id": {"client"}, "client_secret": {"secret"}},
		token: "Bearer alice-1", inForm: true,
	},
	"assertion in a header of its own": {
		oauth2: harness.Merge(harness.Assertion, map[string]any{"subjectTokenHeader": "X-Assertion"}), headers: []string{"X-Assertion: alice", "Authorization: Bearer other"},
		form:  url.Values{"grant_type": {harness.JWTBearer}, "assertion": {"alice"}},
		token: "Bearer alice-1",
	},
	"requested type": {
		oauth2: harness.Merge(harness.Exchange, map[string]any{"requestedTokenType": jwtType}), headers: []string{"Authorization: Bearer alice"},
		form: url.Values{"grant_type": {harness.TokenExchange}, "subject_token": {"alice"}, "subject_token_type": {harness.AccessTokenType},
			"requested_token_type": {jwtType}},
		token: "Bearer alice-1",
	},
	"actor": {
		oauth2: harness.Delegation, headers: []string{"Authorization: Bearer alice", "X-Actor: gateway"},
		form: url.Values{"grant_type": {harness.TokenExchange}, "subject_token": {"alice"}, "subject_token_type": {harness.AccessTokenType},
			"actor_token": {"gateway"}, "actor_token_type": {harness.AccessTokenType}},
		token: "Bearer alice+gateway-1",
	},
	"actor with types": {
		oauth2:  harness.Merge(harness.Delegation, map[string]any{"subjectTokenType": "urn:a", "actorTokenType": jwtType, "requestedTokenType": "urn:b", "resource": "urn:c"}),
		headers: []string{"x-actor: bearer gateway", "Authorization: Bearer alice"},
		form: url.Values{"grant_type": {harness.TokenExchange}, "subject_token": {"alice"}, "subject_token_type": {"urn:a"},
			"actor_token": {"gateway"}, "actor_token_type": {jwtType}, "requested_token_type": {"urn:b"}, "resource": {"urn:c"}},
		token: "Bearer alice+gateway-1",
	},
}

func TestGrants(t *testing.T) {
	t.Parallel()
	requests := map[string]map[string]any{}
	for name, test := range grantRequests {
		requests[harness.HostName(name)] = harness.OAuth2Config("/token", test.oauth2, nil)
	}
	brief := map[string]any{"cache": map[string]any{"refreshBefore": 0}}
	gateway := harness.Start(t, harness.Options{Details: true, Config: harness.ByHost(requests, map[string]map[string]any{
		"plain-assertion": harness.OAuth2Config("/assertion", harness.Assertion, nil),
		"plain-actor":     harness.OAuth2Config("/actor", harness.Delegation, nil),
		"allow-actor":     harness.OAuth2Config("/allow", harness.Delegation, map[string]any{"failure": map[string]any{"mode": "allow"}}),
		"forward-actor":   harness.OAuth2Config("/forward", harness.Delegation, map[string]any{"forwardHeaders": []string{"X-User"}}),
		"with-a-prefix":   harness.OAuth2Config("/prefix", harness.Assertion, map[string]any{"tokenPrefix": "DPoP "}),
		"brief-actor":     harness.OAuth2Config("/brief", harness.Delegation, brief),
	})})
	tests := map[string]func(*testing.T, *harness.Gateway){
		"requests":          checkGrantRequests,
		"callers":           checkCallersWithActors,
		"incomplete":        checkIncompleteRequests,
		"expired":           checkExpiredCallers,
		"the actor expires": checkActorExpires,
		"a prefix":          checkPrefixedType,
	}
	checkExchanges(t, gateway, tests)
}

func checkGrantRequests(t *testing.T, gateway *harness.Gateway) {
	for name, test := range grantRequests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(harness.ExchangeServer(3600))
			gateway.Token.Forget()
			for range 2 {
				harness.CheckStatus(t, gateway.Post(t, "/", "body", append([]string{"Host: " + harness.HostName(name)}, test.headers...)...), 200)
				gateway.Upstream.CheckHeader(t, "Authorization", test.token)
			}
			calls := gateway.Token.Calls()
			if len(calls) != 1 {
				t.Fatalf("the token service was called %d times, want once", len(calls))
			}
			checkForm(t, calls[0], test.form)
			id, secret := "client", "secret"
			if test.inForm {
				id, secret = "", ""
			}
			checkCredentials(t, calls[0], id, secret)
		})
	}
}

// checkCallersWithActors: who asks is the subject and who acts for it, both.
func checkCallersWithActors(t *testing.T, gateway *harness.Gateway) {
	callers := []string{"alice gateway", "alice robot", "gateway alice", "bob gateway", "ali cegateway"}
	for _, host := range []string{"plain-actor", "forward-actor"} {
		gateway.Token.Handle(harness.ExchangeServer(3600))
		gateway.Token.Forget()
		for range 2 {
			for number, caller := range callers {
				subject, actor, _ := strings.Cut(caller, " ")
				harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer "+subject, "X-Actor: "+actor), 200)
				gateway.Upstream.CheckHeader(t, "Authorization", fmt.Sprintf("Bearer %s+%s-%d", subject, actor, number+1))
			}
		}
		if calls := len(gateway.Token.Calls()); calls != len(callers) {
			t.Errorf("%s: the token service was called %d times, want once for each caller", host, calls)
		}
	}
}

// checkIncompleteRequests: a client that could leave out the actor would get a token that hides who acts.
func checkIncompleteRequests(t *testing.T, gateway *harness.Gateway) {
	noSubject, noActor := []string{"token_fetch.no_subject_token", "bearer token required"}, []string{"token_fetch.no_actor_token", "actor token required"}
	tests := map[string]struct {
		headers []string
		want    []string
	}{
		"neither":            {nil, noSubject},
		"no subject":         {[]string{"X-Actor: gateway"}, noSubject},
		"subject is Basic":   {[]string{"Authorization: Basic YTpi", "X-Actor: gateway"}, noSubject},
		"no actor":           {[]string{"Authorization: Bearer alice"}, noActor},
		"empty actor":        {[]string{"Authorization: Bearer alice", "X-Actor:"}, noActor},
		"actor is Basic":     {[]string{"Authorization: Bearer alice", "X-Actor: Basic YTpi"}, noActor},
		"actor of two words": {[]string{"Authorization: Bearer alice", "X-Actor: gate way"}, noActor},
		"actor adds a field": {[]string{"Authorization: Bearer alice", "X-Actor: gateway&scope=admin"}, noActor},
		"actor too long":     {[]string{"Authorization: Bearer alice", "X-Actor: " + strings.Repeat("a", harness.MaxToken+1)}, noActor},
	}
	check := func(t *testing.T, host string, headers, want []string) {
		t.Helper()
		answer := gateway.Get(t, "/", append([]string{"Host: " + host}, headers...)...)
		harness.CheckUnauthorized(t, answer, harness.MissingToken)
		if got := answer.Header.Get(harness.DetailsHeader); got != want[0] || answer.Body != want[1] {
			t.Errorf("answered %q with the details %q, want %q", answer.Body, got, want)
		}
	}
	for _, host := range []string{"plain-actor", "allow-actor", "forward-actor"} {
		for name, test := range tests {
			t.Run(host+"/"+name, func(t *testing.T) { check(t, host, test.headers, test.want) })
		}
	}
	for _, headers := range [][]string{nil, {"Authorization: Basic YTpi"}, {"X-Actor: gateway"}} {
		check(t, "plain-assertion", headers, noSubject)
	}
	gateway.Upstream.CheckNotReached(t)
	if calls := gateway.Token.Calls(); len(calls) != 0 {
		t.Errorf("the token service received %+v", calls)
	}
}

// checkExpiredCallers sends JWTs that no server needs to be asked about.
func checkExpiredCallers(t *testing.T, gateway *harness.Gateway) {
	now := time.Now().Unix()
	expired, good := harness.UnsignedJWT(fmt.Sprintf(`{"exp":%d}`, now-int64(harness.SubjectLeeway.Seconds()))), harness.UnsignedJWT(fmt.Sprintf(`{"exp":%d}`, now+3600))
	tests := map[string][]string{
		"assertion":           {"plain-assertion", expired, ""},
		"subject":             {"plain-actor", expired, good},
		"actor":               {"plain-actor", good, expired},
		"actor, allowed":      {"allow-actor", good, expired},
		"opaque and an actor": {"plain-actor", "alice", expired},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := gateway.Get(t, "/", "Host: "+test[0], "Authorization: Bearer "+test[1], "X-Actor: "+test[2])
			harness.CheckUnauthorized(t, answer, harness.InvalidToken)
			if got := answer.Header.Get(harness.DetailsHeader); got != "token_fetch.subject_expired" {
				t.Errorf("the details are %q, want token_fetch.subject_expired", got)
			}
		})
	}
	gateway.Upstream.CheckNotReached(t)
	if calls := gateway.Token.Calls(); len(calls) != 0 {
		t.Errorf("the token service received %+v", calls)
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain-actor", "Authorization: Bearer "+good, "X-Actor: "+good), 200)
}

// checkActorExpires has the authorization server name a longer life than the actor's.
func checkActorExpires(t *testing.T, gateway *harness.Gateway) {
	expiry := time.Now().Add(5 * time.Second).Truncate(time.Second)
	subject := harness.UnsignedJWT(fmt.Sprintf(`{"sub":"alice","exp":%d}`, expiry.Unix()+3600))
	actor := harness.UnsignedJWT(fmt.Sprintf(`{"sub":"gateway","exp":%d}`, expiry.Add(-harness.SubjectLeeway).Unix()))
	get := func() harness.Answer {
		return gateway.Get(t, "/", "Host: brief-actor", "Authorization: Bearer "+subject, "X-Actor: "+actor)
	}
	harness.CheckStatus(t, get(), 200)
	time.Sleep(time.Until(expiry))
	gateway.Upstream.Forget()
	harness.CheckUnauthorized(t, get(), harness.InvalidToken)
	gateway.Upstream.CheckNotReached(t)
	if calls := len(gateway.Token.Calls()); calls != 1 {
		t.Errorf("the token service was called %d times, want once", calls)
	}
}

// checkPrefixedType: whoever configures a prefix knows what to do with a token of another type.
func checkPrefixedType(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.JSON(200, `{"access_token":"t","token_type":"DPoP","expires_in":3600}`))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: with-a-prefix", "Authorization: Bearer alice"), 200)
	gateway.Upstream.CheckHeader(t, "Authorization", "DPoP t")
	answer := gateway.Get(t, "/", "Host: plain-assertion", "Authorization: Bearer bound")
	harness.CheckStatus(t, answer, 500)
	if got := answer.Header.Get(harness.DetailsHeader); got != "token_fetch.no_token" {
		t.Errorf("the details are %q, want token_fetch.no_token", got)
	}
}
