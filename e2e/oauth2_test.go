package e2e_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// oddAnswers are answers of authorization servers. The upstream gets the header,
// or the request is denied when it is empty. Two requests are sent one after the other.
var oddAnswers = []struct {
	name   string
	answer http.HandlerFunc
	header string // Authorization of both requests
	calls  int
}{
	{"plain", harness.JSON(200, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`), "Bearer t", 1},
	{"type in lower case", harness.JSON(200, `{"access_token":"t","token_type":"bearer","expires_in":3600}`), "Bearer t", 1},
	{"type in upper case", harness.JSON(200, `{"access_token":"t","token_type":"BEARER","expires_in":3600}`), "Bearer t", 1},
	{"no type", harness.JSON(200, `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"type is null", harness.JSON(200, `{"access_token":"t","token_type":null,"expires_in":3600}`), "Bearer t", 1},
	{"type N_A", harness.JSON(200, `{"access_token":"t","token_type":"N_A","expires_in":3600}`), "Bearer t", 1},
	{"scheme in the token", harness.JSON(200, `{"access_token":"Bearer t","token_type":"Bearer","expires_in":3600}`), "Bearer t", 1},
	{"201", harness.JSON(201, `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"more than is known", harness.JSON(200, `{"scope":"a b","refresh_token":"r","access_token":"t","ext":{"access_token":"x"},"expires_in":3600}`), "Bearer t", 1},
	{"content type text/plain", harness.Text("text/plain", `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"content type text/html", harness.Text("text/html", `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"empty type", harness.JSON(200, `{"access_token":"t","token_type":"","expires_in":3600}`), "Bearer t", 1},
	{"byte order mark", harness.Text("application/json", "\xef\xbb\xbf"+`{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"spaces around", harness.Text("application/json", "\r\n {\"access_token\" : \"t\", \"expires_in\": 3600 }\n"), "Bearer t", 1},

	{"no expires_in", harness.JSON(200, `{"access_token":"t"}`), "Bearer t", 1}, // ttl
	{"expires_in as text", harness.JSON(200, `{"access_token":"t","expires_in":"3600"}`), "Bearer t", 1},
	{"expires_in as fraction", harness.JSON(200, `{"access_token":"t","expires_in":3600.0}`), "Bearer t", 1},
	{"expires_in is null", harness.JSON(200, `{"access_token":"t","expires_in":null}`), "Bearer t", 1},
	{"expires_in is no number", harness.JSON(200, `{"access_token":"t","expires_in":"soon"}`), "Bearer t", 1},
	{"expires_in is huge", harness.JSON(200, `{"access_token":"t","expires_in":1e300}`), "Bearer t", 1},
	{"expires_in beyond 64 bits", harness.JSON(200, `{"access_token":"t","expires_in":18446744073709551616}`), "Bearer t", 1},
	{"expires_in as date", harness.JSON(200, `{"access_token":"t","expires_in":1893456000}`), "Bearer t", 1},
	// No token to keep; each request gets its own.
	{"expires_in 0", harness.JSON(200, `{"access_token":"t","expires_in":0}`), "Bearer t", 2},
	{"expires_in negative", harness.JSON(200, `{"access_token":"t","expires_in":-1}`), "Bearer t", 2},

	// A token that needs a proof is of no use to the upstream.
	{"DPoP", harness.JSON(200, `{"access_token":"t","token_type":"DPoP","expires_in":3600}`), "", 1},
	{"MAC", harness.JSON(200, `{"access_token":"t","token_type":"mac","expires_in":3600}`), "", 1},
	{"unknown type", harness.JSON(200, `{"access_token":"t","token_type":"a\r\nb","expires_in":3600}`), "", 1},
	{"type is a list", harness.JSON(200, `{"access_token":"t","token_type":["Bearer"],"expires_in":3600}`), "", 1},
	{"not JSON", harness.Text("application/json", `access_token=t&token_type=Bearer`), "", 1},
	{"HTML", harness.Text("text/html", `<html>{"access_token":"t"}</html>`), "", 1},
	{"cut JSON", harness.Text("application/json", `{"access_token":"t"`), "", 1},
	{"two JSON values", harness.Text("application/json", `{"access_token":"t"}{}`), "", 1},
	{"empty", harness.Status(200), "", 1},
	{"204", harness.Status(204), "", 1},
	{"error in a 200", harness.JSON(200, `{"error":"invalid_scope","error_description":"no"}`), "", 1},
	{"empty token", harness.JSON(200, `{"access_token":"","token_type":"Bearer"}`), "", 1},
	{"only spaces", harness.JSON(200, `{"access_token":"  ","token_type":"Bearer"}`), "", 1},
	{"token is null", harness.JSON(200, `{"access_token":null}`), "", 1},
	{"token is an object", harness.JSON(200, `{"access_token":{"t":"t"}}`), "", 1},
	{"line break in the token", harness.JSON(200, `{"access_token":"t\r\nX-Forged: t"}`), "", 1},
	{"token in another place", harness.JSON(200, `{"data":{"access_token":"t"}}`), "", 1},
	{"list", harness.JSON(200, `[{"access_token":"t"}]`), "", 1},
	{"invalid_client", harness.JSON(401, `{"error":"invalid_client"}`), "", 1},
	{"invalid_grant", harness.JSON(400, `{"error":"invalid_grant"}`), "", 1},
	{"invalid_request with a token", harness.JSON(400, `{"error":"invalid_request","access_token":"t"}`), "", 1},
	{"302 with a token", harness.JSON(302, `{"access_token":"t"}`), "", 1},
	{"500", harness.JSON(500, `{"error":"server_error"}`), "", 1},
	{"502 with HTML", harness.Text("text/html", "<html>"), "", 1},
	{"503", harness.Status(503), "", 1},
	{"invalid_client with 400", harness.JSON(400, `{"error":"invalid_client","error_description":"jti was used before"}`), "", 1},
	{"invalid_client with a token", harness.JSON(401, `{"error":"invalid_client","access_token":"t"}`), "", 1},
	{"unauthorized_client", harness.JSON(400, `{"error":"unauthorized_client"}`), "", 1},
	{"use_dpop_nonce", harness.JSON(400, `{"error":"use_dpop_nonce"}`), "", 1},
}

func TestOAuth2(t *testing.T) {
	odd, requests, held := map[string]map[string]any{}, map[string]map[string]any{}, map[string]map[string]any{}
	for i := range oddAnswers {
		for grant, oauth2 := range oddGrants {
			// No backoff is over before both requests have been answered.
			odd[oddGrantHost(grant, i)] = harness.OAuth2Config("/"+oddGrantHost(grant, i), oauth2, map[string]any{"cache": map[string]any{"backoff": 30_000}})
		}
	}
	for name, test := range tokenRequests {
		requests[harness.HostName(name)] = harness.OAuth2Config("/token", test.oauth2, test.more)
	}
	for name := range refusals {
		held[heldHost(name)] = harness.OAuth2Config("/"+heldHost(name), nil, map[string]any{"cache": map[string]any{"backoff": backoff}})
	}
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(odd, requests, held, exchangeConfigs),
		Env:    map[string]string{"ID": "id of ${SECRET}", "SECRET": "secret+of the=env"},
	})
	t.Run("odd answers", func(t *testing.T) { checkOddAnswers(t, gateway) })
	t.Run("token requests", func(t *testing.T) { checkTokenRequests(t, gateway) })
	t.Run("held back", func(t *testing.T) { checkHeldBack(t, gateway) })
	t.Run("token exchange", func(t *testing.T) { checkTokenExchange(t, gateway) })
}

// oddGrants are those that each odd answer is given to.
var oddGrants = map[string]map[string]any{"client": nil, "exchange": harness.Exchange, "delegation": delegation, "assertion": assertion}

// callerAnswers are those among the odd answers that refuse a caller's token, where the call brings one.
var callerAnswers = []string{"invalid_grant", "invalid_request with a token"}

func oddGrantHost(grant string, i int) string { return fmt.Sprint(oddHost(i), "-", grant) }

func oddHost(i int) string        { return fmt.Sprint("odd-", i) }
func heldHost(name string) string { return "held-" + harness.HostName(name) }

func checkOddAnswers(t *testing.T, gateway *harness.Gateway) {
	answers := map[string]http.HandlerFunc{}
	for i, test := range oddAnswers {
		for grant := range oddGrants {
			answers["/"+oddGrantHost(grant, i)] = test.answer
		}
	}
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) })
	for i, test := range oddAnswers {
		for grant := range oddGrants {
			t.Run(test.name+"/"+grant, func(t *testing.T) {
				gateway.Token.Forget()
				gateway.Upstream.Forget()
				for range 2 {
					answer := gateway.Get(t, "/", "Host: "+oddGrantHost(grant, i), "Authorization: Bearer forged", "X-Actor: gateway")
					switch {
					case test.header != "":
						harness.CheckStatus(t, answer, 200)
						gateway.Upstream.CheckHeader(t, "Authorization", test.header)
						continue
					case grant != "client" && slices.Contains(callerAnswers, test.name):
						harness.CheckRefusedSubject(t, answer)
					default:
						harness.CheckReply(t, answer, harness.DefaultReply)
					}
					gateway.Upstream.CheckNotReached(t)
				}
				if calls := len(gateway.Token.Calls()); calls != test.calls {
					t.Errorf("the token service was called %d times, want %d", calls, test.calls)
				}
			})
		}
	}
}

// awkward is what generated secrets consist of, and more.
const awkward = "+%&=:/ ?#\"'\\<>~.-_*!()$@,;äß€😀%2B%zz"

var basic = url.Values{"grant_type": {"client_credentials"}}

var tokenRequests = map[string]struct {
	oauth2, more map[string]any
	id, secret   string // in Basic; no id: not there
	form         url.Values
}{
	"header": {nil, nil, "client", "secret", basic},
	"body": {
		map[string]any{"authStyle": "body"}, nil, "", "",
		url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"secret"}},
	},
	"awkward header": {map[string]any{"clientId": "id" + awkward, "clientSecret": awkward}, nil, "id" + awkward, awkward, basic},
	"awkward body": {
		map[string]any{"clientId": "id" + awkward, "clientSecret": strings.ReplaceAll(awkward, "$", "$$"), "authStyle": "body"}, nil, "", "",
		url.Values{"grant_type": {"client_credentials"}, "client_id": {"id" + awkward}, "client_secret": {strings.ReplaceAll(awkward, "$", "$$")}},
	},
	"environment": {map[string]any{"clientId": "${ID}", "clientSecret": "${SECRET}"}, nil, "id of ${SECRET}", "secret+of the=env", basic},
	"all fields": {
		map[string]any{
			"scopes":   []string{"read:a", "write/b", "öffnen"},
			"audience": "https://api.example.com/?a=b&c=d",
			"resource": []string{"https://one.example.com", "urn:two"},
			"params":   map[string]any{"tenant": "a&b=c", "empty": "", "with space": "ü+"},
		}, nil, "client", "secret",
		url.Values{
			"grant_type": {"client_credentials"}, "scope": {"read:a write/b öffnen"}, "audience": {"https://api.example.com/?a=b&c=d"},
			"resource": {"https://one.example.com", "urn:two"}, "tenant": {"a&b=c"}, "empty": {""}, "with space": {"ü+"},
		},
	},
	"one resource": {
		map[string]any{"resource": "urn:one", "scopes": []string{}}, nil, "client", "secret",
		url.Values{"grant_type": {"client_credentials"}, "resource": {"urn:one"}},
	},
	"password": {
		map[string]any{"grantType": "password", "params": map[string]any{"username": "jürgen", "password": awkward}}, nil, "client", "secret",
		url.Values{"grant_type": {"password"}, "username": {"jürgen"}, "password": {awkward}},
	},
	"own headers": {nil, map[string]any{"requestHeaders": map[string]any{"X-Tenant": "t", "Accept": "application/x-own"}}, "client", "secret", basic},
}

// checkTokenRequests reads the calls as a strict server after RFC 6749 does.
func checkTokenRequests(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.JSON(200, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`))
	for name, test := range tokenRequests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			harness.CheckStatus(t, gateway.Post(t, "/", "the client's body", "Host: "+harness.HostName(name)), 200)
			gateway.Upstream.CheckHeader(t, "Authorization", "Bearer t")
			call := gateway.Token.WaitCalls(t, 1)[0]
			if call.Method != "POST" || call.URI != "/token" {
				t.Errorf("the token service received %s %s", call.Method, call.URI)
			}
			checkCredentials(t, call, test.id, test.secret)
			checkForm(t, call, test.form)
			want := "application/json"
			if name == "own headers" {
				want = "application/x-own"
			}
			if accept := call.Header.Values("Accept"); !slices.Equal(accept, []string{want}) {
				t.Errorf("the token service received Accept %q", accept)
			}
		})
	}
}

// checkCredentials decodes the Authorization header as RFC 6749 section 2.3.1 has it.
func checkCredentials(t *testing.T, call harness.Call, id, secret string) {
	t.Helper()
	values := call.Header.Values("Authorization")
	if id == "" {
		if len(values) != 0 {
			t.Errorf("the token service received Authorization %q", values)
		}
		return
	}
	if len(values) != 1 {
		t.Fatalf("the token service received Authorization %q", values)
	}
	encoded, isBasic := strings.CutPrefix(values[0], "Basic ")
	pair, err := base64.StdEncoding.DecodeString(encoded)
	if !isBasic || err != nil {
		t.Fatalf("the token service received Authorization %q: %v", values, err)
	}
	formID, formSecret, _ := strings.Cut(string(pair), ":")
	gotID, idErr := url.QueryUnescape(formID)
	gotSecret, secretErr := url.QueryUnescape(formSecret)
	if gotID != id || gotSecret != secret || idErr != nil || secretErr != nil || strings.Contains(formSecret, ":") {
		t.Errorf("the token service received %q, that is %q and %q, want %q and %q", pair, gotID, gotSecret, id, secret)
	}
}

func checkForm(t *testing.T, call harness.Call, want url.Values) {
	t.Helper()
	if kind := call.Header.Values("Content-Type"); !slices.Equal(kind, []string{"application/x-www-form-urlencoded"}) {
		t.Errorf("the token service received Content-Type %q", kind)
	}
	if length := call.Header.Get("Content-Length"); length != strconv.Itoa(len(call.Body)) {
		t.Errorf("the token service received Content-Length %q and %d bytes", length, len(call.Body))
	}
	form, err := url.ParseQuery(call.Body)
	if err != nil || !reflect.DeepEqual(form, want) {
		t.Errorf("the token service received %q, want %q (%v)", form, want, err)
	}
}

const backoff = 1500 // milliseconds

var refusals = map[string]struct {
	refusal http.HandlerFunc
	wait    func(refused time.Time) time.Time // until when no call may come
}{
	"invalid_client": {harness.JSON(401, `{"error":"invalid_client"}`), after(backoff)},
	"invalid_grant":  {harness.JSON(400, `{"error":"invalid_grant"}`), after(backoff)},
	"500":            {harness.Status(500), after(backoff)},
	"reset":          {harness.Reset(), after(backoff)},
	"no token":       {harness.JSON(200, `{"error":"invalid_scope"}`), after(backoff)},
	"seconds":        {harness.Busy(429, func() string { return "3" }), after(3000)},
	"503 with it":    {harness.Busy(503, func() string { return "3" }), after(3000)},
	"date": {
		harness.Busy(429, func() string { return inSeconds(4).Format(http.TimeFormat) }),
		func(refused time.Time) time.Time { return refused.Add(4 * time.Second).Truncate(time.Second) },
	},
	"sooner than the backoff": {harness.Busy(429, func() string { return "0" }), after(backoff)},
	"no number":               {harness.Busy(429, func() string { return "-5" }), after(backoff)},
	"date in the past":        {harness.Busy(429, func() string { return inSeconds(-60).Format(http.TimeFormat) }), after(backoff)},
}

// checkHeldBack checks how long a failing authorization server is left alone. The
// cases run at the same time, as each takes its seconds.
func checkHeldBack(t *testing.T, gateway *harness.Gateway) {
	answers := map[string]http.HandlerFunc{}
	for name, test := range refusals {
		answers["/"+heldHost(name)] = harness.Sequence(test.refusal, harness.JSON(200, `{"access_token":"t","expires_in":3600}`))
	}
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) })
	gateway.Token.Forget()
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+heldHost(name)), 500)
			refused := 1
			for deadline := time.Now().Add(harness.Limit); ; refused++ {
				if answer := gateway.Get(t, "/", "Host: "+heldHost(name)); answer.Status == 200 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the token service is not called again")
				}
				time.Sleep(50 * time.Millisecond)
			}
			var calls []time.Time
			for _, call := range gateway.Token.Calls() {
				if call.URI == "/"+heldHost(name) {
					calls = append(calls, call.Time)
				}
			}
			if len(calls) != 2 {
				t.Fatalf("the token service was called %d times, want twice", len(calls))
			}
			// The gateway's clock starts when the answer has come, so never earlier.
			if earliest := test.wait(calls[0]); calls[1].Before(earliest) {
				t.Errorf("the token service was called again %s too early", earliest.Sub(calls[1]))
			}
			// A fifth is added to backoffs.
			if latest := test.wait(calls[0]).Add(3 * time.Second); calls[1].After(latest) {
				t.Errorf("the token service was called again only after %s", calls[1].Sub(calls[0]))
			}
			if refused < 2 {
				t.Errorf("only %d requests were refused", refused)
			}
		})
	}
}

func after(milliseconds time.Duration) func(time.Time) time.Time {
	return func(refused time.Time) time.Time { return refused.Add(milliseconds * time.Millisecond) }
}

func inSeconds(n time.Duration) time.Time { return time.Now().Add(n * time.Second).UTC() }

var (
	exchangeConfigs = map[string]map[string]any{
		"plain-exchange":   harness.OAuth2Config("/plain", harness.Exchange, nil),
		"typed-exchange":   harness.OAuth2Config("/typed", harness.Merge(harness.Exchange, map[string]any{"subjectTokenType": "urn:ietf:params:oauth:token-type:jwt", "audience": "upstream"}), nil),
		"subject-exchange": harness.OAuth2Config("/subject", harness.Merge(harness.Exchange, map[string]any{"subjectTokenHeader": "X-Subject"}), nil),
		"allow-exchange":   harness.OAuth2Config("/allow", harness.Exchange, map[string]any{"failure": map[string]any{"mode": "allow"}}),
		"expiry-exchange":  harness.OAuth2Config("/expiry", harness.Exchange, map[string]any{"cache": map[string]any{"refreshBefore": 0}}),
		"mixed-exchange":   harness.OAuth2Config("/mixed", harness.Exchange, nil),
	}
)

func checkTokenExchange(t *testing.T, gateway *harness.Gateway) {
	tests := map[string]func(*testing.T, *harness.Gateway){
		"request":          checkExchangeRequest,
		"one per subject":  checkOnePerSubject,
		"no subject":       checkNoSubject,
		"subject header":   checkSubjectHeader,
		"fails":            checkExchangeFails,
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
		"too long":              {"Bearer " + strings.Repeat("a", maxToken+1)},
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

// checkExchangeFails is about the client's own token, which is not for the upstream.
func checkExchangeFails(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.JSON(400, `{"error":"invalid_grant"}`))
	for _, host := range []string{"plain-exchange", "allow-exchange"} {
		answer := gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer dave")
		harness.CheckStatus(t, answer, 401)
		if challenge := answer.Header.Get("WWW-Authenticate"); challenge != harness.InvalidToken {
			t.Errorf("WWW-Authenticate is %q", challenge)
		}
	}
	gateway.Upstream.CheckNotReached(t)
	gateway.Token.Handle(harness.JSON(400, `{"error":"invalid_scope"}`))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain-exchange", "Authorization: Bearer fred"), 500)
	gateway.Upstream.CheckNotReached(t)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: allow-exchange", "Authorization: Bearer fred"), 200)
	gateway.Upstream.CheckHeader(t, "Authorization")
}

// checkSubjectExpires has the authorization server name a longer life than the subject's.
func checkSubjectExpires(t *testing.T, gateway *harness.Gateway) {
	expiry := time.Now().Add(4 * time.Second).Truncate(time.Second)
	subject := harness.UnsignedJWT(fmt.Sprintf(`{"sub":"erin","exp":%d}`, expiry.Add(-harness.SubjectLeeway).Unix()))
	issued := 0 // tokens that are no JWTs with the subject's exp, as those of ExchangeServer are
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		issued++
		harness.JSON(200, fmt.Sprintf(`{"access_token":"opaque-%d","token_type":"Bearer","expires_in":3600}`, issued))(w, r)
	})
	get := func() string {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: expiry-exchange", "Authorization: Bearer "+subject), 200)
		return gateway.Upstream.Last(t).Header.Get("Authorization")
	}
	first := get()
	if second := get(); second != first && time.Now().Before(expiry) {
		t.Errorf("the upstream received the tokens %s and %s", first, second)
	}
	time.Sleep(time.Until(expiry))
	gateway.Upstream.Forget()
	calls := len(gateway.Token.Calls())
	answer := gateway.Get(t, "/", "Host: expiry-exchange", "Authorization: Bearer "+subject)
	harness.CheckStatus(t, answer, 401)
	if challenge := answer.Header.Get("WWW-Authenticate"); challenge != harness.InvalidToken {
		t.Errorf("WWW-Authenticate is %q", challenge)
	}
	gateway.Upstream.CheckNotReached(t)
	if made := len(gateway.Token.Calls()) - calls; made != 0 {
		t.Errorf("an expired subject made %d token calls, want none", made)
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
	gateway.WaitStat(t, "http.gateway.downstream_rq_active", strconv.Itoa(len(all)))
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
