package requests_test

import (
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// TestAnswers is about what an answer brings besides the token in its header, and where else the token may be.
func TestAnswers(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(map[string]map[string]any{
		"more":     harness.PlainConfig(moreHeaders),
		"when":     harness.PlainConfig(conditions),
		"response": harness.PlainConfig(map[string]any{"responseHeader": "X-Issued", "tokenPrefix": "Token "}),
		"json":     harness.PlainConfig(map[string]any{"tokenPath": "data.0.token", "tokenPrefix": "Bearer ", "tokenHeader": "Authorization"}),
	})})
	runOn(t, gateway, map[string]func(*testing.T, *harness.Gateway){
		"upstream headers": checkUpstreamHeaders,
		"success when":     checkSuccessWhen,
		"response header":  checkResponseHeader,
		"token path":       checkTokenPath,
	})
}

var moreHeaders = map[string]any{
	"upstreamHeaders": map[string]any{
		"X-User":  "header:X-User-Id",
		"X-Roles": "body:roles",
		"X-First": "body:roles.0",
		"X-Level": "body:level",
	},
	"failure": map[string]any{"mode": "allow"},
}

func checkUpstreamHeaders(t *testing.T, gateway *harness.Gateway) {
	answer := func(user, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Token", "token-1")
			w.Header().Set("X-User-Id", user)
			_, _ = w.Write([]byte(body))
		}
	}
	names := []string{"X-Token", "X-User", "X-Roles", "X-First", "X-Level"}
	tests := map[string]struct {
		answer http.HandlerFunc
		want   [5]string // by names; empty: must not be there
	}{
		"all":       {answer("user-1", `{"roles":["admin","dev"],"level":3}`), [5]string{"token-1", "user-1", `["admin","dev"]`, "admin", "3"}},
		"some":      {answer("", `{"roles":[],"level":null}`), [5]string{"token-1", "", "[]", "", ""}},
		"not JSON":  {answer("user-1", `roles`), [5]string{"token-1", "user-1", "", "", ""}},
		"two lines": {answer("user-1", `{"roles":["a\r\nX-Forged: 1"],"level":"a\nb"}`), [5]string{"token-1", "user-1", `["a\r\nX-Forged: 1"]`, "", ""}},
		"failure":   {harness.Status(500), [5]string{}},
		"no token":  {harness.Status(200), [5]string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(test.answer)
			request := gateway.Request(t, http.MethodGet, "/", "", "Host: more")
			for _, header := range names {
				request.Header[header] = []string{"forged-1", "forged-2"}
				request.Header[strings.ToLower(header)] = []string{"forged-3"}
			}
			harness.CheckStatus(t, gateway.Do(t, request), 200)
			for i, header := range names {
				if want := test.want[i]; want != "" {
					gateway.Upstream.CheckHeader(t, header, want)
				} else {
					gateway.Upstream.CheckHeader(t, header)
				}
			}
		})
	}
}

var conditions = map[string]any{"successWhen": []any{
	map[string]any{"header": "X-Result", "equals": "ok"},
	map[string]any{"path": "code", "equals": []any{"0", "200"}},
	map[string]any{"path": "done", "equals": true},
}}

func checkSuccessWhen(t *testing.T, gateway *harness.Gateway) {
	tests := map[string]struct {
		result, body string
		status       int
	}{
		"holds":          {"ok", `{"code":200,"done":true}`, 200},
		"other header":   {"OK", `{"code":0,"done":true}`, 500},
		"other value":    {"ok", `{"code":1,"done":true}`, 500},
		"only beginning": {"ok", `{"code":0,"done":true`, 500},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Token", "token-1")
				w.Header().Set("X-Result", test.result)
				_, _ = w.Write([]byte(test.body))
			})
			gateway.Upstream.Forget()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: when"), test.status)
			if test.status == 200 {
				gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
				return
			}
			gateway.Upstream.CheckNotReached(t)
		})
	}
}

func checkResponseHeader(t *testing.T, gateway *harness.Gateway) {
	for issued, want := range map[string]string{"issued-1": "Token issued-1", "token issued-2": "token issued-2"} {
		gateway.Token.Handle(harness.HeaderToken("x-issued", issued))
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: response", "X-Token: forged"), 200)
		gateway.Upstream.CheckHeader(t, "X-Token", want)
	}
	gateway.Token.Handle(harness.HeaderToken("X-Token", "elsewhere"))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: response", "X-Token: forged"), 200)
	gateway.Upstream.CheckHeader(t, "X-Token")
}

func checkTokenPath(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.JSON(200, `{"data": [{"token": "a/b+c=="}]}`))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: json", "Authorization: Basic forged"), 200)
	gateway.Upstream.CheckHeader(t, "Authorization", "Bearer a/b+c==")
}
