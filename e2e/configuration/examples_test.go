package configuration_test

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"

	"token-fetch/e2e/harness"
)

// oldestEnvoy is the first version that the plugins are for. It lacks functions of WASI that Go's standard library imports.
const oldestEnvoy = "1.36.4"

// The plugins of examples/ that need nothing of Higress, as make examples has built them, in the oldest Envoy or, for make
// test-matrix, in each.
func TestExamples(t *testing.T) {
	t.Parallel()
	start := func(plugin string, config any) *harness.Gateway {
		return harness.Start(t, harness.Options{Envoy: cmp.Or(os.Getenv("ENVOY_VERSION"), oldestEnvoy),
			Wasm: filepath.Join("..", "..", "examples", plugin, "main.wasm"), Config: config})
	}
	checkHello(t, start("hello-world", map[string]any{}))

	gateway := start("my-plugin", map[string]any{})
	checkHeader(t, gateway)
	gateway.Update(t, map[string]any{"mockEnable": true})
	checkHello(t, gateway)
	gateway.Update(t, map[string]any{"mockEnable": false})
	checkHeader(t, gateway)
}

// checkHello checks that the plugin answers.
func checkHello(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	gateway.Upstream.Forget()
	answer := gateway.Get(t, "/")
	if requests := gateway.Upstream.Requests(); answer.Status != 200 || answer.Body != "hello world" || len(requests) > 0 {
		t.Errorf("got %d %q and %d requests at the upstream, expected 200 hello world and none", answer.Status, answer.Body, len(requests))
	}
}

// checkHeader checks that the plugin's header reaches the upstream, and a forged one does not.
func checkHeader(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	gateway.Upstream.Forget()
	answer := gateway.Get(t, "/", "hello: forged")
	requests := gateway.Upstream.Requests()
	if answer.Status != 200 || len(requests) != 1 {
		t.Fatalf("got %d and %d requests at the upstream, expected 200 and 1", answer.Status, len(requests))
	}
	if got := requests[0].Header.Values("hello"); len(got) != 1 || got[0] != "world" {
		t.Errorf("got the header hello %q at the upstream, expected world", got)
	}
}

// A token through the oldest version that main.wasm is for; make test-matrix has all tests run there.
func TestOldestEnvoy(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Envoy: oldestEnvoy, Config: map[string]any{
		"serviceName": harness.TokenName, "requestPath": "/get-token", "tokenHeader": "X-Token", "timeout": 20_000,
	}})
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	harness.CheckStatus(t, gateway.Get(t, "/", "X-Token: forged"), 200)
	if got := gateway.Upstream.Requests()[0].Header.Values("X-Token"); len(got) != 1 || got[0] != "token-1" {
		t.Errorf("got the header X-Token %q at the upstream, expected token-1", got)
	}
}
