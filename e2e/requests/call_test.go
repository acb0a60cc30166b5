package requests_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// tokenCalls are configurations and what the token service receives, as far as Envoy could change it. What the plugin makes of
// the keys is tested in internal/tokenservice.
var tokenCalls = map[string]struct {
	config map[string]any
	want   harness.Call
}{
	"sample": {nil, harness.Call{Method: "GET", URI: "/token", Host: harness.TokenName}},
	"escapes and dots": {
		map[string]any{"requestPath": "/a%20b%2f/../b//c/./d?x=%2F&y=a+b&z=%C3%BC%%", "requestMethod": "HEAD"},
		harness.Call{Method: "HEAD", URI: "/a%20b%2f/../b//c/./d?x=%2F&y=a+b&z=%C3%BC%%", Host: harness.TokenName},
	},
	"body": {
		map[string]any{"requestBody": `{"user": "jürgen"}`, "serviceHost": "login.example.com:8443", "requestHeaders": map[string]any{"Content-Type": "application/json", "X-Api-Key": "k e y"}},
		harness.Call{Method: "POST", URI: "/token", Host: "login.example.com:8443", Body: `{"user": "jürgen"}`, Header: http.Header{
			"Content-Type": {"application/json"}, "X-Api-Key": {"k e y"}, "Content-Length": {strconv.Itoa(len(`{"user": "jürgen"}`))},
		}},
	},
	"empty POST": {
		map[string]any{"requestMethod": "POST"},
		harness.Call{Method: "POST", URI: "/token", Host: harness.TokenName, Header: http.Header{"Content-Length": {"0"}}},
	},
}

func checkTokenCalls(t *testing.T, gateway *harness.Gateway) {
	for name, test := range tokenCalls {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			// Nothing of the request may get into the call.
			answer := gateway.Post(t, "/path", "the client's body", "Host: call-"+harness.HostName(name),
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
