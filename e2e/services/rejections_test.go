package services_test

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"token-fetch/e2e/harness"
)

// numbered gives the tokens t1, t2 and so on.
func numbered(format string) http.HandlerFunc {
	var count atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, format, count.Add(1)) }
}

// checkCalls sends a request and says how many token calls there must be then, a moment later: the upstream's verdict is
// read when the request is over.
func checkCalls(t *testing.T, gateway *harness.Gateway, path string, want int) {
	t.Helper()
	gateway.Get(t, path)
	harness.Eventually(t, harness.Limit, func() error {
		if got := len(gateway.Token.Calls()); got != want {
			return fmt.Errorf("%s: %d token calls, want %d", path, got, want)
		}
		return nil
	})
}

// Feishu's 400 with the code of a token that is no longer good drops it, and any other 400 does not. The code comes from
// Envoy's json_to_metadata, as the recipe has it.
func TestFeishuDropsTokenByCode(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	filters, _ := readRecipes(t, "filter")
	var body atomic.Value
	body.Store(`{"code": 0}`)
	upstream := harness.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text := body.Load().(string)
		if text != `{"code": 0}` {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, text)
	})
	token := harness.NewTokenService(t)
	token.Handle(numbered(`{"code": 0, "tenant_access_token": "t%d", "expire": 7200}`))
	gateway := harness.Start(t, harness.Options{Config: here(recipes["Feishu"]), Env: environment, Token: token,
		Services: []harness.Service{upstream.Service("upstream.dns")}, Filters: []any{filters["Feishu"]}})

	checkCalls(t, gateway, "/", 1)
	for _, other := range []string{`{"code": 99991400, "msg": "rate limited"}`, `{"code": "no number"}`, `{}`, `not JSON`} {
		body.Store(other)
		checkCalls(t, gateway, "/", 1)
		checkCalls(t, gateway, "/", 1)
	}
	body.Store(`{"code": 99991663, "msg": "Invalid access token for authorization"}`)
	gateway.Get(t, "/")
	body.Store(`{"code": 0}`)
	checkCalls(t, gateway, "/", 2)
	checkCalls(t, gateway, "/", 2)
}

// UNAUTHENTICATED drops the token, in the trailers and in the headers of an answer without a body.
func TestGRPCDropsToken(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	var status atomic.Value
	status.Store("trailer 0")
	upstream := harness.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		var in, code string
		_, _ = fmt.Sscan(status.Load().(string), &in, &code)
		if in == "header" {
			w.Header().Set("Grpc-Status", code)
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, "\x00\x00\x00\x00\x00")
		w.Header().Set("Grpc-Status", code)
	})
	token := harness.NewTokenService(t)
	token.Handle(numbered(`{"access_token": "t%d", "token_type": "Bearer", "expires_in": 3600}`))
	gateway := harness.Start(t, harness.Options{Config: here(recipes["gRPC"]), Env: environment, Token: token, Services: []harness.Service{{Name: "upstream.dns", Address: upstream.Address, HTTP2: true}}})

	for i, test := range []struct {
		answer  string
		rejects bool
	}{{"trailer 0", false}, {"trailer 7", false}, {"header 7", false}, {"trailer 16", true}, {"header 0", false}, {"header 16", true}, {"trailer 0", false}} {
		status.Store(test.answer)
		before := len(gateway.Token.Calls())
		gateway.Get(t, "/")
		if i == 0 {
			before = 1
		}
		if !test.rejects {
			checkCalls(t, gateway, "/", before)
			continue
		}
		// One rejected token after another is replaced more slowly.
		harness.Eventually(t, harness.Limit, func() error {
			gateway.Get(t, "/")
			if got := len(gateway.Token.Calls()); got == before {
				return fmt.Errorf("after %s: %d token calls, want one more", test.answer, got)
			}
			return nil
		})
	}
}
