package upstreamfilter

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestAttempts has the plugin among the router's upstream filters, where it sees each attempt.
func TestAttempts(t *testing.T) {
	upstream := &attempts{release: make(chan struct{})}
	gateway := start(t, harness.InRouter, upstream.status)
	for _, test := range []struct {
		name string
		do   func(*testing.T, *harness.Gateway, *attempts)
	}{
		{"a revoked token costs no request", func(t *testing.T, g *harness.Gateway, u *attempts) { checkRevoked(t, g, &u.revocations) }},
		{"many that are rejected together make one call", checkRejectedTogether},
		{"an upstream that always says 401", checkAlwaysRejected},
		{"a body beyond the retry buffer", checkLongBody},
		{"whose token an attempt gets", checkTokens},
		{"what a client has sent, at the second attempt", checkSentAgain},
		{"attempts that overlap", checkOverlap},
		{"a token service that fails", checkFailures},
		{"clients that leave between two attempts", checkLeaving},
	} {
		t.Run(test.name, func(t *testing.T) {
			gateway.Upstream.Forget()
			test.do(t, gateway, upstream)
		})
	}
}

// TestRevokedTokenInCluster has it among the filters of the upstream's cluster.
func TestRevokedTokenInCluster(t *testing.T) {
	t.Parallel()
	upstream := &revocations{}
	checkRevoked(t, start(t, harness.InCluster, upstream.status), upstream)
}

// checkRevoked: a token that is revoked while it is cached costs the client nothing: the attempt that is rejected with it is
// repeated with a new one, and with its body.
func checkRevoked(t *testing.T, gateway *harness.Gateway, upstream *revocations) {
	number := 0
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		client := gateway.Client()
		if protocol == "HTTP/2" {
			client = gateway.HTTP2Client()
		}
		for _, size := range []int{0, 1, 1 << 20} {
			body, host := strings.Repeat("x", size), harness.Numbered("revoked", revocationCases)[number]
			number++
			request := func() *http.Request {
				return gateway.Request(t, http.MethodPost, "/", body, "Host: "+host, "X-Token: forged")
			}
			old := harness.IssuedToken(host, 1)
			harness.SendTimed(client, request()).CheckToken(t, old)
			upstream.revoke(old)
			harness.SendTimed(client, request()).CheckToken(t, harness.IssuedToken(host, 2))
			gateway.Token.CheckCallsOf(t, host, 2)
			requests := gateway.Upstream.Requests()
			sum := sha256.Sum256([]byte(body))
			if got := requests[len(requests)-1]; got.BodySHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s, %d bytes: got another body of %d bytes at the second attempt", protocol, size, got.BodyLength)
			}
		}
	}
}

func checkRejectedTogether(t *testing.T, gateway *harness.Gateway, upstream *attempts) {
	const count = 1000
	old := harness.IssuedToken("volley", 1)
	gateway.Ask(t, "volley").CheckToken(t, old)
	upstream.revoke(old)
	for _, result := range harness.SendParallel(gateway.HTTP2Client(), gateway.Requests(t, "volley", count)...).Wait() {
		result.CheckToken(t, harness.IssuedToken("volley", 2))
	}
	gateway.Token.CheckCallsOf(t, "volley", 2)
}

func checkAlwaysRejected(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	for range 20 {
		if got := gateway.Ask(t, "always"); got.Status != http.StatusUnauthorized {
			t.Fatalf("got %d, expected the upstream's second 401", got.Status)
		}
	}
	if calls := len(gateway.Token.CallsOf("always")); calls > 3 {
		t.Errorf("got %d token calls for 20 requests within a second, expected at most 3: rejections are spaced", calls)
	}
}

func checkLongBody(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	request := gateway.Request(t, http.MethodPost, "/", "", "Host: streamed")
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 8<<20))), -1
	got := harness.SendTimed(gateway.HTTP2Client(), request)
	if attempts := len(gateway.Upstream.Requests()); got.Status != http.StatusUnauthorized || attempts != 1 {
		t.Errorf("got %d (%v) after %d attempts, expected the 401 of the only one", got.Status, got.Err, attempts)
	}
}

// checkSentAgain: Envoy hands an attempt the headers that the one before has changed. The second call is made of what the
// client has sent all the same, and not of the plugin's own token.
func checkSentAgain(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	caller := harness.UnsignedJWT(`{"tenant":"acme"}`)
	long := strings.Repeat("x", 56<<10) // Envoy allows headers of 60 KiB in all
	formHas := func(field, value string) func(harness.Call) bool {
		return func(c harness.Call) bool {
			form, err := url.ParseQuery(c.Body)
			return err == nil && form.Get(field) == value
		}
	}
	for _, test := range []struct {
		host, sent, header string
		want               []string // at both attempts
		isOf               func(harness.Call) bool
	}{
		{
			"exchanged", "Authorization: Bearer " + caller, "Authorization",
			[]string{"Bearer " + harness.IssuedToken("exchanged", 1), "Bearer " + harness.IssuedToken("exchanged", 2)}, formHas("subject_token", caller),
		},
		{
			"removed", "Cookie: session=" + caller + "; theme=dark", "Cookie",
			[]string{"theme=dark", "theme=dark"}, formHas("assertion", caller),
		},
		{
			"long", "Cookie: session=" + caller + "; theme=" + long, "Cookie",
			[]string{"theme=" + long, "theme=" + long}, formHas("assertion", caller),
		},
		{
			"tenants", "Authorization: Bearer " + caller, "Authorization",
			[]string{"Bearer " + harness.IssuedToken("tenants", 1), "Bearer " + harness.IssuedToken("tenants", 2)},
			func(c harness.Call) bool { return c.Header.Get("X-Tenant") == "acme" },
		},
		{"absent", "X-Other: ", "X-Token", []string{harness.IssuedToken("absent", 1), harness.IssuedToken("absent", 2)}, nil},
		{"own", "X-Token: own", "X-Token", []string{"own", "own"}, nil},
	} {
		gateway.Upstream.Forget()
		if got := gateway.Ask(t, test.host, test.sent); got.Status != http.StatusOK {
			t.Errorf("%s: got %d %q, expected the second attempt to succeed", test.host, got.Status, got.Body)
		}
		var got []string
		for _, request := range gateway.Upstream.Requests() {
			got = append(got, request.Header.Get(test.header))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %s %q at the attempts, expected %q", test.host, test.header, got, test.want)
		}
		for _, call := range gateway.Token.CallsOf(test.host) {
			if test.isOf != nil && !test.isOf(call) {
				t.Errorf("%s: got a call that is not made of what the client has sent: %+v", test.host, call)
			}
		}
	}
}

// checkTokens: a retry for another reason drops no token, rules by domain see the final host, and callers have their own.
func checkTokens(t *testing.T, gateway *harness.Gateway, upstream *attempts) {
	for _, ask := range []struct {
		host, user, path string
		token            int
	}{
		{"busy", "", "busy", 1}, {"busy", "", "busy", 1}, {"first.example.com", "", "final", 1}, {"callers", "a", "callers", 1}, {"callers", "b", "callers", 2}, {"callers", "a", "callers", 1},
	} {
		gateway.Ask(t, ask.host, "X-Token: forged", "X-User: "+ask.user).CheckToken(t, harness.IssuedToken(ask.path, ask.token))
	}
	if attempts := upstream.busy.Load(); attempts != 3 {
		t.Errorf("got %d attempts, expected a third after the 503", attempts)
	}
}

func checkOverlap(t *testing.T, gateway *harness.Gateway, upstream *attempts) {
	gateway.Ask(t, "hedged").CheckToken(t, harness.IssuedToken("hedged", 1))
	close(upstream.release)
	gateway.Token.CheckCallsOf(t, "hedged", 1)
}

// checkFailures: the failure table holds for an attempt as for a request.
func checkFailures(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{"hanging": harness.Hang()}, harness.Status(http.StatusForbidden)))
	got := gateway.Ask(t, "refused", "X-Token: forged")
	if got.Status != http.StatusServiceUnavailable || got.Body != "no token" {
		t.Errorf("refused: got %d %q, expected the configured reply", got.Status, got.Body)
	}
	got = gateway.Ask(t, "hanging", "X-Token: forged")
	if got.Status != http.StatusInternalServerError || got.Took() > 10*time.Second {
		t.Errorf("hanging: got %d after %s, expected 500 at the timeout", got.Status, got.Took())
	}
	gateway.Upstream.CheckNotReached(t)
}

// checkLeaving: clients that leave between two attempts leave nothing behind.
func checkLeaving(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	hold := make(chan struct{})
	gateway.Token.Handle(harness.Hold(hold, harness.HeaderToken("X-Token", "late")))
	for range 20 {
		client := *gateway.Client()
		client.Timeout = 100 * time.Millisecond
		if got := gateway.AskBy(t, &client, "leaving"); got.Err == nil {
			t.Fatalf("got %d, expected a client that has left", got.Status)
		}
	}
	close(hold)
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	gateway.Ask(t, "left").CheckToken(t, harness.IssuedToken("left", 1))
	gateway.WaitActive(t, 0)
}
