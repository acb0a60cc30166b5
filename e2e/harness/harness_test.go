package harness_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

func config(header string) map[string]any {
	return map[string]any{
		"serviceName": harness.TokenName,
		"requestPath": "/token",
		"tokenHeader": header,
	}
}

func TestGateway(t *testing.T) {
	gateway := harness.Start(t, harness.Options{Config: config("X-Token"), Workers: 2})
	t.Run("http1", func(t *testing.T) {
		checkToken(t, gateway, gateway.Get(t, "/a/path?q=%20", "X-Own: one", "X-Own: two"), "X-Token")
		received := gateway.Upstream.Last(t)
		if received.URI != "/a/path?q=%20" || len(received.Header.Values("X-Own")) != 2 {
			t.Errorf("the upstream received %+v", received)
		}
		if calls := gateway.Stat(t, "cluster.outbound|80||upstream-a.dns.upstream_rq_total"); calls != "1" {
			t.Errorf("route-a led %q requests to its cluster", calls)
		}
	})
	t.Run("http2", func(t *testing.T) {
		request := gateway.Request(t, http.MethodPost, "/", "abc")
		answer, err := harness.Send(gateway.HTTP2Client(), request)
		if err != nil {
			t.Fatal(err)
		}
		checkToken(t, gateway, answer, "X-Token")
		if length := gateway.Upstream.Last(t).BodyLength; length != 3 {
			t.Errorf("the upstream received a body of %d bytes", length)
		}
		if version := gateway.Stat(t, "http.gateway.downstream_cx_http2_total"); version != "1" {
			t.Errorf("%s connections were HTTP/2", version)
		}
	})
	t.Run("status", func(t *testing.T) {
		gateway.Upstream.Respond(func(*http.Request) int { return http.StatusTeapot })
		defer gateway.Upstream.Respond(func(*http.Request) int { return http.StatusOK })
		if answer := gateway.Get(t, "/"); answer.Status != http.StatusTeapot {
			t.Errorf("the gateway answered %+v", answer)
		}
	})
	t.Run("counter", func(t *testing.T) { gateway.WaitCounter(t, "calls", len(gateway.Token.WaitCalls(t, 3))) })
	t.Run("update", func(t *testing.T) { checkUpdates(t, gateway) })
	t.Run("memory", func(t *testing.T) {
		if kilobytes := gateway.MemoryKB(t); kilobytes < 10_000 {
			t.Errorf("Envoy's memory is %d kB", kilobytes)
		}
	})
}

func checkToken(t *testing.T, gateway *harness.Gateway, answer harness.Answer, header string) {
	t.Helper()
	if answer.Status != http.StatusOK || !strings.Contains(answer.Body, header) {
		t.Fatalf("the gateway answered %+v", answer)
	}
	if token := gateway.Upstream.Last(t).Header.Values(header); len(token) != 1 {
		t.Errorf("the upstream received the tokens %q", token)
	}
}

// checkUpdates asks over many connections, so that both workers are asked.
func checkUpdates(t *testing.T, gateway *harness.Gateway) {
	for _, header := range []string{"X-First", "X-Second"} {
		gateway.Token.Handle(harness.HeaderToken(header, "token-1"))
		gateway.Update(t, config(header))
		for range 20 {
			request := gateway.Request(t, http.MethodGet, "/b", "")
			request.Close = true
			checkToken(t, gateway, gateway.Do(t, request), header)
		}
	}
	log := gateway.UpdateRefused(t, "{")
	if !strings.Contains(log, "Unable to create Wasm plugin") {
		t.Errorf("a refused update logged:\n%s", log)
	}
	checkToken(t, gateway, gateway.Get(t, "/b"), "X-Second")
}

func TestStartRefused(t *testing.T) {
	log := harness.StartRefused(t, harness.Options{Config: "{", FailOpen: true})
	if !strings.Contains(log, "Unable to create Wasm plugin") {
		t.Errorf("Envoy's log:\n%s", log)
	}
}

func TestHTTP2Upstream(t *testing.T) {
	gateway := harness.Start(t, harness.Options{Config: config("X-Token"), HTTP2Upstream: true})
	request := gateway.Request(t, http.MethodPost, "/", "")
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader("abc")), -1
	request.Trailer = http.Header{"X-Sum": {"123"}}
	answer, err := harness.Send(gateway.HTTP2Client(), request)
	if err != nil {
		t.Fatal(err)
	}
	checkToken(t, gateway, answer, "X-Token")
	if received := gateway.Upstream.Last(t); received.BodyLength != 3 || received.Trailer.Get("X-Sum") != "123" {
		t.Errorf("the upstream received a body of %d bytes and the trailers %v", received.BodyLength, received.Trailer)
	}
	if requests := gateway.Stat(t, "cluster.outbound|80||upstream.dns.upstream_cx_http2_total"); requests != "1" {
		t.Errorf("the gateway made %q connections over HTTP/2, want 1", requests)
	}
}
