package requests_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{
		"plain": harness.PlainConfig(nil),
		"own":   harness.PlainConfig(map[string]any{"overwrite": false, "upstreamHeaders": map[string]any{"X-User": "header:X-User"}}),
		"deny":  harness.PlainConfig(map[string]any{"failure": map[string]any{"status": 503, "body": "sorry"}}),
	}
	for name, test := range tokenCalls {
		configs["call-"+harness.HostName(name)] = harness.PlainConfig(test.config)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs, retryConfigs)})
	for name, test := range map[string]func(*testing.T, *harness.Gateway){
		"bodies":      checkBodies,
		"HEAD":        checkHead,
		"overwrite":   checkOverwrite,
		"token calls": checkTokenCalls,
		"retries":     checkRetries,
		"timeouts":    checkTimeouts,
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
			gateway.Token.Forget()
			gateway.Upstream.Forget()
			test(t, gateway)
		})
	}
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
