package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestRequests(t *testing.T) {
	calls := map[string]map[string]any{}
	for name, test := range tokenCalls {
		calls[harness.HostName(name)] = harness.PlainConfig(test.config)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(requestConfigs, retryConfigs, calls)})
	tests := map[string]func(*testing.T, *harness.Gateway){
		"bodies":           checkBodies,
		"in parallel":      checkParallel,
		"HEAD":             checkHead,
		"overwrite":        checkOverwrite,
		"upstream headers": checkUpstreamHeaders,
		"success when":     checkSuccessWhen,
		"response header":  checkResponseHeader,
		"token path":       checkTokenPath,
		"client goes away": checkClientGoesAway,
		"token calls":      checkTokenCalls,
		"retries":          checkRetries,
		"timeouts":         checkTimeouts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway)
		})
	}
}

var requestConfigs = map[string]map[string]any{
	"plain":    harness.PlainConfig(nil),
	"own":      harness.PlainConfig(map[string]any{"overwrite": false, "upstreamHeaders": map[string]any{"X-User": "header:X-User"}}),
	"more":     harness.PlainConfig(moreHeaders),
	"when":     harness.PlainConfig(conditions),
	"response": harness.PlainConfig(map[string]any{"responseHeader": "X-Issued", "tokenPrefix": "Token "}),
	"json":     harness.PlainConfig(map[string]any{"tokenPath": "data.0.token", "tokenPrefix": "Bearer ", "tokenHeader": "Authorization"}),
	"deny":     harness.PlainConfig(map[string]any{"failure": map[string]any{"status": 503, "body": "sorry"}}),
}

// checkBodies sends bodies that Envoy has to keep while the token call is under way.
func checkBodies(t *testing.T, gateway *harness.Gateway) {
	clients := map[string]*http.Client{"HTTP 1.1": gateway.Client(), "HTTP 2": gateway.HTTP2Client()}
	for protocol, client := range clients {
		for _, size := range []int{0, 1, 64 << 10, 1 << 20} {
			t.Run(fmt.Sprint(protocol, " ", size), func(t *testing.T) { checkBody(t, gateway, client, size) })
		}
	}
	t.Run("many at once", func(t *testing.T) {
		gateway.Upstream.Forget()
		gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
		body := strings.Repeat("many ", 40<<10)
		var requests []*http.Request
		for range 10 {
			requests = append(requests, gateway.Request(t, http.MethodPut, "/", body, "Host: plain"))
		}
		harness.SendParallel(gateway.Client(), requests...).CheckStatus(t, 200)
		for _, received := range gateway.Upstream.Requests() {
			if received.BodySHA256 != hexSHA256(body) {
				t.Errorf("the upstream received %d other bytes than were sent", received.BodyLength)
			}
		}
	})
}

func checkBody(t *testing.T, gateway *harness.Gateway, client *http.Client, size int) {
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.HeaderToken("X-Token", "token-1")))
	gateway.Token.Forget()
	gateway.Upstream.Forget()
	body := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
	answer := harness.SendParallel(client, gateway.Request(t, http.MethodPost, "/path", body, "Host: plain", "X-Token: forged"))
	gateway.Token.WaitCalls(t, 1)
	gateway.Upstream.CheckNotReached(t)
	close(release)
	answer.CheckStatus(t, 200)
	received := gateway.Upstream.Last(t)
	if received.BodyLength != int64(size) || received.BodySHA256 != hexSHA256(body) {
		t.Errorf("the upstream received a body of %d bytes, hash %s", received.BodyLength, received.BodySHA256)
	}
	if received.Method != http.MethodPost || received.URI != "/path" {
		t.Errorf("the upstream received %s %s", received.Method, received.URI)
	}
	gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
}

func hexSHA256(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:])
}

// checkParallel has every request make its own call, whose token no other may get.
func checkParallel(t *testing.T, gateway *harness.Gateway) {
	const requests = 100
	var calls atomic.Int32
	gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Token", fmt.Sprint("token-", calls.Add(1)))
	})
	var all []*http.Request
	for range requests {
		all = append(all, gateway.Request(t, http.MethodGet, "/", "", "Host: plain"))
	}
	harness.SendParallel(gateway.Client(), all...).CheckStatus(t, 200)
	seen := map[string]bool{}
	for _, received := range gateway.Upstream.Requests() {
		seen[strings.Join(received.Header.Values("X-Token"), ",")] = true
	}
	if len(seen) != requests || !seen["token-1"] || !seen[fmt.Sprint("token-", requests)] {
		t.Errorf("the upstream received %d different tokens, want %d", len(seen), requests)
	}
}

func checkHead(t *testing.T, gateway *harness.Gateway) {
	head := func(host string) harness.Answer {
		return gateway.Do(t, gateway.Request(t, http.MethodHead, "/", "", "Host: "+host))
	}
	harness.CheckStatus(t, head("plain"), 200)
	if received := gateway.Upstream.Last(t); received.Method != http.MethodHead {
		t.Errorf("the upstream received %s", received.Method)
	}
	gateway.Upstream.CheckHeader(t, "X-Token", "token-1")

	gateway.Token.Handle(harness.Status(500))
	answer := head("deny")
	if answer.Status != 503 || answer.Body != "" {
		t.Errorf("the gateway answered %+v", answer)
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain"), 500) // over the same connection
}

func checkOverwrite(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Token", "token-1")
		w.Header().Set("X-User", "user-1")
	})
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: own", "x-token: own-1", "X-User: forged"), 200)
	gateway.Upstream.CheckHeader(t, "X-Token", "own-1")
	gateway.Upstream.CheckHeader(t, "X-User")
	if calls := gateway.Token.Calls(); len(calls) != 0 {
		t.Errorf("the token service was called: %+v", calls)
	}
	for _, own := range []string{"X-Other: none", "X-Token:"} {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: own", own, "X-User: forged"), 200)
		gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
		gateway.Upstream.CheckHeader(t, "X-User", "user-1")
	}
	if calls := gateway.Token.Calls(); len(calls) != 2 {
		t.Errorf("the token service was called %d times, want 2", len(calls))
	}
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
		"holds as text":  {"ok", `{"code":"0","done":"true"}`, 200},
		"other header":   {"OK", `{"code":0,"done":true}`, 500},
		"no header":      {"", `{"code":0,"done":true}`, 500},
		"other value":    {"ok", `{"code":1,"done":true}`, 500},
		"other boolean":  {"ok", `{"code":0,"done":false}`, 500},
		"value missing":  {"ok", `{"code":0}`, 500},
		"value is null":  {"ok", `{"code":0,"done":null}`, 500},
		"body not JSON":  {"ok", `code=0&done=true`, 500},
		"body is empty":  {"ok", ``, 500},
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

// checkClientGoesAway has clients leave while their requests are paused.
func checkClientGoesAway(t *testing.T, gateway *harness.Gateway) {
	const clients = 10
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.HeaderToken("X-Token", "token-1")))
	for protocol, client := range map[string]*http.Client{"http1": gateway.Client(), "http2": gateway.HTTP2Client()} {
		ctx, leave := context.WithCancel(t.Context())
		var requests []*http.Request
		for range clients {
			requests = append(requests, gateway.Request(t, http.MethodPost, "/", protocol, "Host: plain").WithContext(ctx))
		}
		gateway.Token.Forget()
		left := harness.SendParallel(client, requests...)
		gateway.Token.WaitCalls(t, clients)
		leave()
		for _, result := range left.Wait() {
			if !errors.Is(result.Err, context.Canceled) {
				t.Errorf("%s: a client that left got %+v", protocol, result)
			}
		}
		gateway.WaitStat(t, "http.gateway.downstream_rq_active", "0")
	}
	close(release)
	for range 3 {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain"), 200)
		gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
	}
	if received := len(gateway.Upstream.Requests()); received != 3 {
		t.Errorf("the upstream received %d requests, want 3", received)
	}
}

// tokenCalls are configurations and what the token service receives.
var tokenCalls = map[string]struct {
	config map[string]any
	want   harness.Call
}{
	"sample": {nil, harness.Call{Method: "GET", URI: "/token", Host: harness.TokenName}},
	"escapes": {
		map[string]any{"requestPath": "/a%20b%2f?x=%2F&y=a+b&z=%C3%BC%%"},
		harness.Call{Method: "GET", URI: "/a%20b%2f?x=%2F&y=a+b&z=%C3%BC%%", Host: harness.TokenName},
	},
	"no slash":   {map[string]any{"requestPath": "a/b?c"}, harness.Call{Method: "GET", URI: "/a/b?c", Host: harness.TokenName}},
	"query only": {map[string]any{"requestPath": "?a=/b"}, harness.Call{Method: "GET", URI: "/?a=/b", Host: harness.TokenName}},
	"dots":       {map[string]any{"requestPath": "/a/../b//c/./d"}, harness.Call{Method: "GET", URI: "/a/../b//c/./d", Host: harness.TokenName}},
	"host":       {map[string]any{"serviceHost": "login.example.com:8443"}, harness.Call{Method: "GET", URI: "/token", Host: "login.example.com:8443"}},
	"headers": {
		map[string]any{"requestHeaders": map[string]any{"X-Api-Key": "k e y", "accept": "text/plain", "User-Agent": "tester"}},
		harness.Call{Method: "GET", URI: "/token", Host: harness.TokenName, Header: http.Header{
			"X-Api-Key": {"k e y"}, "Accept": {"text/plain"}, "User-Agent": {"tester"},
		}},
	},
	"body": {
		map[string]any{"requestBody": `{"user": "jürgen"}`, "requestHeaders": map[string]any{"Content-Type": "application/json"}},
		harness.Call{Method: "POST", URI: "/token", Host: harness.TokenName, Body: `{"user": "jürgen"}`, Header: http.Header{
			"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(`{"user": "jürgen"}`))},
		}},
	},
	"body with PUT": {
		map[string]any{"requestBody": "abc", "requestMethod": "PUT"},
		harness.Call{Method: "PUT", URI: "/token", Host: harness.TokenName, Body: "abc", Header: http.Header{"Content-Length": {"3"}}},
	},
	"empty POST": {
		map[string]any{"requestMethod": "POST"},
		harness.Call{Method: "POST", URI: "/token", Host: harness.TokenName, Header: http.Header{"Content-Length": {"0"}}},
	},
	"HEAD":   {map[string]any{"requestMethod": "HEAD"}, harness.Call{Method: "HEAD", URI: "/token", Host: harness.TokenName}},
	"DELETE": {map[string]any{"requestMethod": "DELETE"}, harness.Call{Method: "DELETE", URI: "/token", Host: harness.TokenName}},
}

func checkTokenCalls(t *testing.T, gateway *harness.Gateway) {
	for name, test := range tokenCalls {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			// Nothing of the request may get into the call.
			answer := gateway.Post(t, "/path", "the client's body", "Host: "+harness.HostName(name),
				"X-Client: of the client", "Cookie: session=1", "Authorization: Bearer client", "X-Forwarded-For: 192.0.2.1")
			harness.CheckStatus(t, answer, 200)
			gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
			calls := gateway.Token.Calls()
			if len(calls) != 1 {
				t.Fatalf("the token service was called %d times", len(calls))
			}
			checkCall(t, calls[0], test.want)
		})
	}
}

func checkCall(t *testing.T, got, want harness.Call) {
	t.Helper()
	if got.Method != want.Method || got.URI != want.URI || got.Host != want.Host || got.Body != want.Body {
		t.Errorf("the token service received %+v, want %+v", got, want)
	}
	for name, values := range want.Header {
		if !slices.Equal(got.Header.Values(name), values) {
			t.Errorf("the token service received %s %q, want %q", name, got.Header.Values(name), values)
		}
	}
	for _, name := range []string{"X-Client", "Cookie", "Authorization", "X-Token", "X-Envoy-Retry-On", "X-Envoy-Max-Retries", "Transfer-Encoding"} {
		if _, expected := want.Header[name]; !expected && got.Header.Values(name) != nil {
			t.Errorf("the token service received %s %q", name, got.Header.Values(name))
		}
	}
}

var retryConfigs = map[string]map[string]any{
	"none":    harness.PlainConfig(nil),
	"once":    harness.PlainConfig(map[string]any{"retries": 1}),
	"five":    harness.PlainConfig(map[string]any{"retries": 5}),
	"post":    harness.PlainConfig(map[string]any{"retries": 1, "requestBody": "the body"}),
	"limited": harness.PlainConfig(map[string]any{"retries": 5, "timeout": 600}),
	"default": harness.SampleConfig(),
	"short":   harness.Merge(harness.SampleConfig(), map[string]any{"timeout": 50}),
	"long":    harness.Merge(harness.SampleConfig(), map[string]any{"timeout": 2000}),
}

func checkRetries(t *testing.T, gateway *harness.Gateway) {
	good := harness.HeaderToken("X-Token", "token-1")
	tests := map[string]struct {
		host   string
		answer http.HandlerFunc
		status int
		calls  int
	}{
		"no retry":               {"none", harness.Sequence(harness.Status(500), good), 500, 1},
		"500, then good":         {"once", harness.Sequence(harness.Status(500), good), 200, 2},
		"503, then good":         {"once", harness.Sequence(harness.Status(503), good), 200, 2},
		"reset, then good":       {"once", harness.Sequence(harness.Reset(), good), 200, 2},
		"close, then good":       {"once", harness.Sequence(harness.Close(), good), 200, 2},
		"twice 500, then good":   {"once", harness.Sequence(harness.Status(500), harness.Status(500), good), 500, 2},
		"five times, then good":  {"five", harness.Sequence(harness.Status(500), harness.Reset(), harness.Status(502), harness.Close(), harness.Status(504), good), 200, 6},
		"401 is not tried again": {"five", harness.Sequence(harness.Status(401), good), 500, 1},
		"no token, no retry":     {"five", harness.Sequence(harness.Status(200), good), 200, 1},
		"with a body":            {"post", harness.Sequence(harness.Status(500), good), 200, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(test.answer)
			gateway.Token.Forget()
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+test.host), test.status)
			calls := gateway.Token.Calls()
			if len(calls) != test.calls {
				t.Errorf("the token service was called %d times, want %d", len(calls), test.calls)
			}
			for _, call := range calls {
				for header := range call.Header {
					if strings.HasPrefix(header, "X-Envoy-Retry") || strings.HasPrefix(header, "X-Envoy-Max") {
						t.Errorf("the token service received %s", header)
					}
				}
				if call.Body != calls[0].Body {
					t.Errorf("the token service received the bodies %q and %q", calls[0].Body, call.Body)
				}
			}
		})
	}
}

func checkTimeouts(t *testing.T, gateway *harness.Gateway) {
	t.Run("of all retries", func(t *testing.T) {
		// Each try takes most of the time that all of them have.
		gateway.Token.Handle(harness.Delay(400*time.Millisecond, harness.Status(500)))
		checkTakes(t, gateway, "limited", 600*time.Millisecond)
	})
	for host, timeout := range map[string]time.Duration{"default": 500, "short": 50, "long": 2000} {
		t.Run(host+" timeout", func(t *testing.T) {
			gateway.Token.Handle(harness.Hang())
			checkTakes(t, gateway, host, timeout*time.Millisecond)
		})
	}
}

// checkTakes sends a request that must fail after the time, or a little more on a busy machine.
func checkTakes(t *testing.T, gateway *harness.Gateway, host string, timeout time.Duration) {
	t.Helper()
	start := time.Now()
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host), 500)
	const early, late = 5 * time.Millisecond, 2 * time.Second
	if took := time.Since(start); took < timeout-early || took > timeout+late {
		t.Errorf("the request took %s, want %s", took, timeout)
	}
}
