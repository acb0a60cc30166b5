// Package oauth is about the key oauth2: what an authorization server is asked and how its answers are read, with servers
// of the tests' own and with real ones.
package oauth

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
	{"type in upper case", harness.JSON(200, `{"access_token":"t","token_type":"BEARER","expires_in":3600}`), "Bearer t", 1},
	{"type N_A", harness.JSON(200, `{"access_token":"t","token_type":"N_A","expires_in":3600}`), "Bearer t", 1},
	{"empty type", harness.JSON(200, `{"access_token":"t","token_type":"","expires_in":3600}`), "Bearer t", 1},
	{"byte order mark", harness.Text("application/json", "\xef\xbb\xbf"+`{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"201", harness.JSON(201, `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},
	{"content type text/html", harness.Text("text/html", `{"access_token":"t","expires_in":3600}`), "Bearer t", 1},

	{"no expires_in", harness.JSON(200, `{"access_token":"t"}`), "Bearer t", 1}, // ttl
	{"expires_in as text", harness.JSON(200, `{"access_token":"t","expires_in":"3600"}`), "Bearer t", 1},
	// No token to keep; each request gets its own.
	{"expires_in 0", harness.JSON(200, `{"access_token":"t","expires_in":0}`), "Bearer t", 2},

	// A token that needs a proof is of no use to the upstream.
	{"DPoP", harness.JSON(200, `{"access_token":"t","token_type":"DPoP","expires_in":3600}`), "", 1},
	{"not JSON", harness.Text("application/json", `access_token=t&token_type=Bearer`), "", 1},
	{"204", harness.Status(204), "", 1},
	{"error in a 200", harness.JSON(200, `{"error":"invalid_scope","error_description":"no"}`), "", 1},
	{"line break in the token", harness.JSON(200, `{"access_token":"t\r\nX-Forged: t"}`), "", 1},
	{"invalid_client", harness.JSON(401, `{"error":"invalid_client"}`), "", 1},
	{"invalid_grant", harness.JSON(400, `{"error":"invalid_grant"}`), "", 1},
	{"invalid_request with a token", harness.JSON(400, `{"error":"invalid_request","access_token":"t"}`), "", 1},
	{"302 with a token", harness.JSON(302, `{"access_token":"t"}`), "", 1},
	{"500", harness.JSON(500, `{"error":"server_error"}`), "", 1},
}

func TestOAuth2(t *testing.T) {
	t.Parallel()
	odd, requests := map[string]map[string]any{}, map[string]map[string]any{}
	for i := range oddAnswers {
		for grant, oauth2 := range oddGrants {
			// No backoff is over before both requests have been answered.
			odd[oddGrantHost(grant, i)] = harness.OAuth2Config("/"+oddGrantHost(grant, i), oauth2, map[string]any{"cache": map[string]any{"backoff": 30_000}})
		}
	}
	for name, test := range tokenRequests {
		requests[harness.HostName(name)] = harness.OAuth2Config("/token", test.oauth2, test.more)
	}
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(odd, requests),
		Env:    map[string]string{"ID": "id of ${SECRET}", "SECRET": "secret+of the=env"},
	})
	t.Run("odd answers", func(t *testing.T) { checkOddAnswers(t, gateway) })
	t.Run("token requests", func(t *testing.T) { checkTokenRequests(t, gateway) })
}

// oddGrants are those that each odd answer is given to.
var oddGrants = map[string]map[string]any{"client": nil, "exchange": harness.Exchange, "delegation": harness.Delegation, "assertion": harness.Assertion}

// callerAnswers are those among the odd answers that refuse a caller's token, where the call brings one.
var callerAnswers = []string{"invalid_grant", "invalid_request with a token"}

func oddGrantHost(grant string, i int) string { return fmt.Sprint("odd-", i, "-", grant) }

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
