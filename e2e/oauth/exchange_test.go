package oauth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

var exchangeConfigs = map[string]map[string]any{
	"plain-exchange":   harness.OAuth2Config("/plain", harness.Exchange, nil),
	"typed-exchange":   harness.OAuth2Config("/typed", harness.Merge(harness.Exchange, map[string]any{"subjectTokenType": "urn:ietf:params:oauth:token-type:jwt", "audience": "upstream"}), nil),
	"subject-exchange": harness.OAuth2Config("/subject", harness.Merge(harness.Exchange, map[string]any{"subjectTokenHeader": "X-Subject"}), nil),
	"allow-exchange":   harness.OAuth2Config("/allow", harness.Exchange, map[string]any{"failure": map[string]any{"mode": "allow"}}),
	"expiry-exchange":  harness.OAuth2Config("/expiry", harness.Exchange, map[string]any{"cache": map[string]any{"refreshBefore": 0}}),
	"mixed-exchange":   harness.OAuth2Config("/mixed", harness.Exchange, nil),
}

func TestTokenExchange(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(exchangeConfigs)})
	tests := map[string]func(*testing.T, *harness.Gateway){
		"request":          checkExchangeRequest,
		"one per subject":  checkOnePerSubject,
		"no subject":       checkNoSubject,
		"subject header":   checkSubjectHeader,
		"subject expires":  checkSubjectExpires,
		"callers together": checkCallersTogether,
	}
	checkExchanges(t, gateway, tests)
}

// checkExchanges runs each test with a server that exchanges tokens, and nothing called before.
func checkExchanges(t *testing.T, gateway *harness.Gateway, tests map[string]func(*testing.T, *harness.Gateway)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(harness.ExchangeServer(3600))
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway)
		})
	}
}

func checkExchangeRequest(t *testing.T, gateway *harness.Gateway) {
	harness.CheckStatus(t, gateway.Post(t, "/", "body", "Host: typed-exchange", "Authorization: Bearer abc-._~+/=="), 200)
	call := gateway.Token.WaitCalls(t, 1)[0]
	checkCredentials(t, call, "client", "secret")
	checkForm(t, call, url.Values{
		"grant_type":         {harness.TokenExchange},
		"subject_token":      {"abc-._~+/=="},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"audience":           {"upstream"},
	})
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer abc-._~+/==-1")
}

func checkOnePerSubject(t *testing.T, gateway *harness.Gateway) {
	// The same token in other spellings of the header.
	for _, header := range []string{"Bearer alice", "bearer alice", "BEARER   alice", "Bearer alice "} {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain-exchange", "Authorization: "+header), 200)
		gateway.Upstream.CheckHeader(t, "Authorization", "Bearer alice-1")
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain-exchange", "Authorization: Bearer Alice"), 200)
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer Alice-2")
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain-exchange", "Authorization: Bearer alice"), 200)
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer alice-1")
	if calls := len(gateway.Token.Calls()); calls != 2 {
		t.Errorf("the token service was called %d times, want 2", calls)
	}
}

func checkNoSubject(t *testing.T, gateway *harness.Gateway) {
	tests := map[string][]string{
		"none":                  nil,
		"empty":                 {""},
		"only the scheme":       {"Bearer"},
		"only scheme and space": {"Bearer  "},
		"other scheme":          {"Basic Ym9iOnNlY3JldA=="},
		"no scheme":             {"alice"},
		"two in one value":      {"Bearer alice, Bearer bob"},
		"two words":             {"Bearer alice bob"},
		"comma":                 {"Bearer alice,bob"},
		"two headers":           {"Bearer alice", "Bearer bob"},
		"other characters":      {`Bearer "alice"`},
		"too long":              {"Bearer " + strings.Repeat("a", harness.MaxToken+1)},
	}
	for _, host := range []string{"plain-exchange", "allow-exchange"} {
		for name, values := range tests {
			t.Run(host+"/"+name, func(t *testing.T) {
				request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host)
				request.Header["Authorization"] = values
				answer := gateway.Do(t, request)
				harness.CheckStatus(t, answer, 401)
				if challenge := answer.Header.Values("WWW-Authenticate"); !slices.Equal(challenge, []string{harness.MissingToken}) {
					t.Errorf("WWW-Authenticate is %q", challenge)
				}
				gateway.Upstream.CheckNotReached(t)
				if calls := gateway.Token.Calls(); len(calls) != 0 {
					t.Errorf("the token service received %+v", calls)
				}
			})
		}
	}
}

func checkSubjectHeader(t *testing.T, gateway *harness.Gateway) {
	for value, want := range map[string]string{"carol": "Bearer carol-1", "bEArer carol": "Bearer carol-1"} {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: subject-exchange", "x-subject: "+value, "Authorization: Bearer own"), 200)
		gateway.Upstream.CheckHeader(t, "Authorization", want)
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: subject-exchange", "Authorization: Bearer own"), 401)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: subject-exchange", "X-Subject: Basic carol"), 401)
	if calls := len(gateway.Token.Calls()); calls != 1 {
		t.Errorf("the token service was called %d times, want 1", calls)
	}
}

// checkSubjectExpires has the authorization server name a longer life than the subject's.
func checkSubjectExpires(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.JSON(200, `{"access_token":"exchanged","expires_in":3600}`))
	end := time.Now().Add(4 * time.Second).Truncate(time.Second)
	subject := "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"erin","exp":%d}`, end.Add(-harness.SubjectLeeway).Unix()))
	for range 2 {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: expiry-exchange", subject), 200)
		gateway.Upstream.CheckHeader(t, "Authorization", "Bearer exchanged")
	}
	time.Sleep(time.Until(end))
	gateway.Upstream.Forget()
	harness.CheckUnauthorized(t, gateway.Get(t, "/", "Host: expiry-exchange", subject), harness.InvalidToken)
	gateway.Upstream.CheckNotReached(t)
	if calls := len(gateway.Token.Calls()); calls != 1 {
		t.Errorf("%d token calls, want one for the two requests before the subject's end, and none after it", calls)
	}
}

// checkCallersTogether has each of many callers send several requests at once.
func checkCallersTogether(t *testing.T, gateway *harness.Gateway) {
	const callers, requests = 20, 5
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.ExchangeServer(3600)))
	var all []*http.Request
	for range requests {
		for i := range callers {
			caller := fmt.Sprint("caller", i)
			all = append(all, gateway.Request(t, http.MethodGet, "/"+caller, "", "Host: mixed-exchange", "Authorization: Bearer "+caller))
		}
	}
	answers := harness.SendParallel(gateway.Client(), all...)
	gateway.Token.WaitCalls(t, callers)
	gateway.WaitActive(t, len(all))
	close(release)
	answers.CheckStatus(t, 200)
	tokens := map[string]string{}
	for _, received := range gateway.Upstream.Requests() {
		caller := strings.TrimPrefix(received.URI, "/")
		token := received.Header.Get("Authorization")
		if !strings.HasPrefix(token, "Bearer "+caller+"-") || len(received.Header.Values("Authorization")) != 1 {
			t.Errorf("the upstream received %q from %s", received.Header.Values("Authorization"), caller)
		}
		if other, found := tokens[caller]; found && other != token {
			t.Errorf("the upstream received %q and %q from %s", token, other, caller)
		}
		tokens[caller] = token
	}
	if calls := len(gateway.Token.Calls()); calls != callers || len(tokens) != callers {
		t.Errorf("%d calls and %d callers' tokens, want %d", calls, len(tokens), callers)
	}
}
