// Package upstreamfilter has the plugin where it runs for each attempt of a request: among the upstream's filters, so
// that Envoy's own retry survives an upstream that rejects a token.
package upstreamfilter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// retries is a virtual host whose requests Envoy sends again when the upstream says 401.
func retries(times int) []any {
	return []any{map[string]any{
		"name": "gateway", "domains": []string{"*"},
		"retry_policy": map[string]any{"retry_on": "retriable-status-codes", "retriable_status_codes": []int{401}, "num_retries": times},
		"routes": []any{map[string]any{
			"name": "default", "match": map[string]any{"prefix": "/"},
			"route": map[string]any{"cluster": "outbound|80||upstream.dns", "timeout": "0s"},
		}},
	}}
}

var places = []harness.Place{harness.InRouter, harness.InCluster}

// A token that is revoked while it is cached costs the client nothing: the attempt that is rejected with it is repeated
// with a new one, and with its body.
func TestRevokedTokenCostsNoRequest(t *testing.T) {
	for _, place := range places {
		t.Run(string(place), func(t *testing.T) {
			gateway := harness.Start(t, harness.Options{Config: harness.Config{"serviceName": harness.TokenName, "requestPath": "/get-token", "tokenHeader": "X-Token", "cache": map[string]any{"backoff": 1}}, Place: place, VirtualHosts: retries(1)})
			tokens := &harness.TokenIssuer{}
			gateway.Token.Handle(tokens.Answer(300))
			for _, size := range []int{0, 1, 1 << 20} {
				gateway.Upstream.Respond(func(r *http.Request) int { return http.StatusOK })
				before := len(gateway.Token.Calls())
				body := bytes.Repeat([]byte("x"), size)
				first := send(t, gateway, body)
				gateway.Upstream.Respond(func(r *http.Request) int {
					if r.Header.Get("X-Token") == first {
						return http.StatusUnauthorized
					}
					return http.StatusOK
				})
				second := send(t, gateway, body)
				if second == first || second == "forged" {
					t.Errorf("%d bytes: got the token %q at the second attempt, expected a new one after %q", size, second, first)
				}
				if calls := len(gateway.Token.Calls()) - before; calls > 2 {
					t.Errorf("%d bytes: got %d token calls, expected at most 2", size, calls)
				}
				sum := sha256.Sum256(body)
				requests := gateway.Upstream.Requests()
				if got, want := requests[len(requests)-1].BodySHA256, hex.EncodeToString(sum[:]); got != want {
					t.Errorf("%d bytes: got another body at the second attempt", size)
				}
			}
		})
	}
}

// send returns the token with which the request came to the upstream, which must answer 200.
func send(t *testing.T, gateway *harness.Gateway, body []byte) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Token", "forged")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("got %d, expected 200", response.StatusCode)
	}
	requests := gateway.Upstream.Requests()
	return requests[len(requests)-1].Header.Get("X-Token")
}
