// Package upstreamfilter has the plugin where it runs for each attempt of a request: among the upstream's filters, so
// that Envoy's own retry survives an upstream that rejects a token.
package upstreamfilter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// revocationCases are two protocols with three bodies each.
const revocationCases = 6

// hosts are the configurations of the tests, by the host of their requests. Each calls the path that its host names.
func hosts() harness.Config {
	configs := harness.CachedConfigs(harness.Numbered("revoked", revocationCases), harness.Config{})
	maps.Copy(configs, harness.CachedConfigs([]string{"revoked", "volley", "always", "streamed", "busy", "leaving", "left", "hedged", "load"}, harness.Config{}))
	denied := harness.CachedConfigs([]string{"refused"}, harness.Config{})["refused"]
	configs["refused"] = harness.Merge(denied, harness.Config{"failure": map[string]any{"status": 503, "body": "no token"}})
	hanging := harness.CachedConfigs([]string{"hanging"}, harness.Config{})["hanging"]
	configs["hanging"] = harness.Merge(hanging, harness.Config{"timeout": 300})
	callers := harness.CachedConfigs([]string{"callers"}, harness.Config{})["callers"]
	configs["callers"] = harness.Merge(callers, harness.Config{"forwardHeaders": []string{"X-User"}})
	for host, more := range map[string]harness.Config{
		"exchanged": {"oauth2": map[string]any{"clientId": "gateway", "clientSecret": "secret", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}},
		"removed": {"tokenHeader": "X-Other", "responseHeader": "X-Token", "requestHeaders": map[string]string{"X-Credential": "secret"}, "oauth2": map[string]any{
			"clientId": "gateway", "clientSecret": "secret", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer", "subjectToken": "${request.cookie.session}",
		}},
		"tenants": {"requestHeaders": map[string]string{"X-Tenant": "${caller.claim.tenant}"}, "tokenHeader": "Authorization", "tokenPrefix": "Bearer "},
		"absent":  {"overwrite": false, "requestHeaders": map[string]string{}},
		"own":     {"overwrite": false, "requestHeaders": map[string]string{}},
	} {
		config := harness.CachedConfigs([]string{host}, harness.Config{})[host]
		if more["oauth2"] != nil {
			more = harness.Merge(harness.Config{"tokenHeader": "Authorization", "tokenIn": "header"}, more)
		}
		configs[host] = harness.Merge(harness.Merge(config, harness.Config{"responseHeader": "X-Token"}), more)
	}
	configs["final.example.com"] = harness.CachedConfigs([]string{"final"}, harness.Config{})["final"]
	return harness.ByHost(configs)
}

// retries are virtual hosts whose requests Envoy sends again when the upstream says 401.
func retries() []any {
	route := func(more map[string]any) []any {
		action := map[string]any{"cluster": "outbound|80||upstream.dns", "timeout": "0s"}
		for key, value := range more {
			action[key] = value
		}
		return []any{map[string]any{"name": "default", "match": map[string]any{"prefix": "/"}, "route": action}}
	}
	policy := func(more map[string]any) map[string]any {
		p := map[string]any{"retry_on": "retriable-status-codes", "retriable_status_codes": []int{401}, "num_retries": 1}
		for key, value := range more {
			p[key] = value
		}
		return p
	}
	return []any{
		map[string]any{"name": "gateway", "domains": []string{"*"}, "retry_policy": policy(nil), "routes": route(nil)},
		map[string]any{"name": "busy", "domains": []string{"busy"}, "retry_policy": policy(map[string]any{"retriable_status_codes": []int{503}}), "routes": route(nil)},
		map[string]any{"name": "streamed", "domains": []string{"streamed"}, "retry_policy": policy(nil), "routes": route(nil), "request_body_buffer_limit": 64 << 10},
		map[string]any{"name": "rewritten", "domains": []string{"first.example.com"}, "retry_policy": policy(nil), "routes": route(map[string]any{"host_rewrite_literal": "final.example.com"})},
		map[string]any{
			"name": "hedged", "domains": []string{"hedged"}, "routes": route(map[string]any{"hedge_policy": map[string]any{"hedge_on_per_try_timeout": true}}),
			"retry_policy": policy(map[string]any{"per_try_timeout": "0.3s", "retry_on": "retriable-status-codes,5xx"}),
		},
	}
}

// start runs a gateway whose upstream answers as it says.
func start(t *testing.T, place harness.Place, upstream func(r *http.Request) int) *harness.Gateway {
	t.Helper()
	gateway := harness.Start(t, harness.Options{Config: hosts(), Place: place, VirtualHosts: retries(), Details: true})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	gateway.Upstream.Respond(upstream)
	return gateway
}

// revocations is an upstream that takes none of the tokens that were revoked.
type revocations struct{ tokens sync.Map }

func (v *revocations) status(r *http.Request) int {
	if _, isRevoked := v.tokens.Load(r.Header.Get("X-Token")); isRevoked {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

func (v *revocations) revoke(token string) { v.tokens.Store(token, true) }

// attempts is an upstream for all that a retry does and does not mend.
type attempts struct {
	revocations
	busy, hedged atomic.Int32
	rejected     sync.Map      // hosts whose first attempt was answered 401
	release      chan struct{} // of the first attempt for hedged
}

func (u *attempts) status(r *http.Request) int {
	switch r.Host {
	case "always", "streamed", "leaving":
		return http.StatusUnauthorized
	case "exchanged", "removed", "tenants", "absent", "own":
		if _, isLater := u.rejected.LoadOrStore(r.Host, true); !isLater {
			return http.StatusUnauthorized
		}
	case "busy":
		if u.busy.Add(1) == 2 {
			return http.StatusServiceUnavailable
		}
	case "hedged":
		if u.hedged.Add(1) == 1 {
			<-u.release
		}
	}
	return u.revocations.status(r)
}

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
		{"a retry for another reason drops no token", checkOtherRetry},
		{"rules by domain see the final host", checkFinalHost},
		{"tokens of callers", checkCallers},
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
	request.Body, request.ContentLength = io.NopCloser(io.LimitReader(neverEnding('x'), 8<<20)), -1
	got := harness.SendTimed(gateway.HTTP2Client(), request)
	if attempts := len(gateway.Upstream.Requests()); got.Status != http.StatusUnauthorized || attempts != 1 {
		t.Errorf("got %d (%v) after %d attempts, expected the 401 of the only one", got.Status, got.Err, attempts)
	}
}

func checkOtherRetry(t *testing.T, gateway *harness.Gateway, upstream *attempts) {
	token := harness.IssuedToken("busy", 1)
	gateway.Ask(t, "busy").CheckToken(t, token)
	gateway.Ask(t, "busy").CheckToken(t, token)
	if attempts := upstream.busy.Load(); attempts != 3 {
		t.Errorf("got %d attempts, expected a third after the 503", attempts)
	}
	gateway.Token.CheckCallsOf(t, "busy", 1)
}

func checkFinalHost(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	gateway.Ask(t, "first.example.com", "X-Token: forged").CheckToken(t, harness.IssuedToken("final", 1))
}

func checkCallers(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	for _, ask := range []struct {
		user  string
		token int
	}{{"a", 1}, {"b", 2}, {"a", 1}} {
		gateway.Ask(t, "callers", "X-User: "+ask.user).CheckToken(t, harness.IssuedToken("callers", ask.token))
	}
}

// checkSentAgain: Envoy hands an attempt the headers that the one before has changed. The second call is made of what the
// client has sent all the same, and not of the plugin's own token.
func checkSentAgain(t *testing.T, gateway *harness.Gateway, _ *attempts) {
	caller := harness.UnsignedJWT(`{"tenant":"acme"}`)
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

// The plugin can be in both chains of one gateway: the request's token is the attempt's.
func TestBothChains(t *testing.T) {
	upstream := &revocations{}
	gateway := start(t, harness.InBothChains, upstream.status)
	old := harness.IssuedToken("revoked", 1)
	gateway.Ask(t, "revoked", "X-Token: forged").CheckToken(t, old)
	gateway.Token.CheckCallsOf(t, "revoked", 1)
	upstream.revoke(old)
	gateway.Ask(t, "revoked", "X-Token: forged").CheckToken(t, harness.IssuedToken("revoked", 2))
	gateway.Token.CheckCallsOf(t, "revoked", 2)
}

// A 401 that another filter gives says nothing of the token.
func TestUnauthorizedByAnotherFilter(t *testing.T) {
	abort := map[string]any{
		"name": "envoy.filters.http.fault",
		"typed_config": map[string]any{
			"@type":   "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
			"abort":   map[string]any{"http_status": 401, "percentage": map[string]any{"numerator": 100}},
			"headers": []any{map[string]any{"name": "x-abort", "present_match": true}},
		},
	}
	gateway := harness.Start(t, harness.Options{
		Config: hosts(), Place: harness.InBothChains, VirtualHosts: retries(), Filters: []any{abort},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	token := harness.IssuedToken("revoked", 1)
	gateway.Ask(t, "revoked").CheckToken(t, token)
	if got := gateway.Ask(t, "revoked", "X-Abort: yes"); got.Status != http.StatusUnauthorized {
		t.Fatalf("got %d, expected the other filter's 401", got.Status)
	}
	gateway.Ask(t, "revoked").CheckToken(t, token)
	gateway.Token.CheckCallsOf(t, "revoked", 1)
}

// What an upstream does that is not the harness' own.
func startBefore(t *testing.T, handler http.HandlerFunc, policy, action map[string]any, cache harness.Config) *harness.Gateway {
	t.Helper()
	route := map[string]any{"cluster": "outbound|80||upstream.dns", "timeout": "0s", "retry_policy": policy}
	maps.Copy(route, action)
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(harness.CachedConfigs([]string{"first", "second"}, cache)), Place: harness.InRouter,
		VirtualHosts: []any{map[string]any{
			"name": "gateway", "domains": []string{"*"},
			"routes": []any{map[string]any{"name": "default", "match": map[string]any{"prefix": "/"}, "route": route}},
		}},
		Services: []harness.Service{{Name: "upstream.dns", Address: harness.Serve(t, handler).Address, HTTP2: true}},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	return gateway
}

// gRPC's status is in the headers of an answer that has nothing else, where Envoy can retry on it.
func TestGRPC(t *testing.T) {
	upstream := &revocations{}
	retry := map[string]any{
		"retry_on": "retriable-headers", "num_retries": 1,
		"retriable_headers": []any{map[string]any{"name": "grpc-status", "string_match": map[string]any{"exact": "16"}}},
	}
	gateway := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("X-Received", r.Header.Get("X-Token"))
		w.Header().Set("Grpc-Status", "0")
		if upstream.status(r) == http.StatusUnauthorized {
			w.Header().Set("Grpc-Status", "16")
		}
	}, retry, nil, harness.Config{"invalidateWhen": []any{map[string]any{"grpcStatus": []int{16}}}})
	received := func() string {
		answer := gateway.AskBy(t, gateway.HTTP2Client(), "first", "Content-Type: application/grpc", "X-Token: forged")
		if status := answer.Header.Get("Grpc-Status"); status != "0" {
			t.Errorf("got gRPC's status %q (%v), expected 0", status, answer.Err)
		}
		return answer.Header.Get("X-Received")
	}
	old := harness.IssuedToken("first", 1)
	if got := received(); got != old {
		t.Errorf("got the token %q, expected %q", got, old)
	}
	upstream.revoke(old)
	if got, want := received(), harness.IssuedToken("first", 2); got != want {
		t.Errorf("got the token %q, expected %q", got, want)
	}
	gateway.Token.CheckCallsOf(t, "first", 2)
}

// A request that Envoy redirects itself gets the token of the rule of its second host.
func TestInternalRedirect(t *testing.T) {
	action := map[string]any{"internal_redirect_policy": map[string]any{"max_internal_redirects": 1}}
	gateway := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "first" {
			w.Header().Set("Location", "http://second/next")
			w.WriteHeader(http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(r.Header)
	}, nil, action, harness.Config{})
	gateway.Ask(t, "first", "X-Token: forged").CheckToken(t, harness.IssuedToken("second", 1))
	gateway.Token.CheckCallsOf(t, "first", 1)
	gateway.Token.CheckCallsOf(t, "second", 1)
}

// A VM that dies in an attempt fails it closed, and is made anew.
func TestTrapInAnAttempt(t *testing.T) {
	gateway := harness.Start(t, harness.Options{
		Config: hosts(), Place: harness.InRouter, VirtualHosts: retries(), FailReload: true,
		Wasm: harness.WasmWithFaults(t), Env: map[string]string{"FAULT": "answer-trap"}, StreamIdle: time.Second,
	})
	for range 3 {
		if got := gateway.Ask(t, "revoked", "X-Token: forged"); got.Status < http.StatusInternalServerError {
			t.Errorf("got %d, expected an error: the VM has died", got.Status)
		}
	}
	gateway.Upstream.CheckNotReached(t)
}

// A token that is revoked under load costs no client an answer other than 200.
func TestTokenRevokedUnderLoad(t *testing.T) {
	const rate = 500
	duration := 10 * time.Second
	upstream := &revocations{}
	gateway := start(t, harness.InRouter, upstream.status)
	old := harness.IssuedToken("load", 1)
	gateway.Ask(t, "load").CheckToken(t, old)
	time.AfterFunc(duration/2, func() { upstream.revoke(old) })
	results := harness.Load(rate, duration, func(int) harness.Result { return gateway.AskBy(t, gateway.HTTP2Client(), "load") })
	retried, slowest := 0, time.Duration(0)
	for _, result := range results {
		slowest = max(slowest, result.Took())
		if result.Err != nil || result.Status != http.StatusOK {
			t.Fatalf("got %d (%v), expected 200 for every request", result.Status, result.Err)
		}
		if result.Token() != old {
			retried++
		}
	}
	if retried == 0 {
		t.Error("no request came after the token was revoked")
	}
	gateway.Token.CheckCallsOf(t, "load", 2)
	page.Tried(t, fmt.Sprintf("a token is revoked while %d requests/s come; the plugin is an upstream filter, and Envoy retries on 401", rate),
		"gets one new token; attempts with the revoked one are repeated with it",
		fmt.Sprintf("%d requests, all answered 200; slowest %d ms", len(results), slowest.Milliseconds()))
}

// neverEnding is a body of one letter.
type neverEnding byte

func (b neverEnding) Read(to []byte) (int, error) {
	copy(to, bytes.Repeat([]byte{byte(b)}, len(to)))
	return len(to), nil
}
