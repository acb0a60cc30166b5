package upstreamfilter

import (
	"net/http"
	"slices"
	"testing"

	"token-fetch/e2e/harness"
)

// Envoy replaces the authority during the first attempt, so that the second one matches another rule, or none. That one
// starts from what the client has sent, too: the first rule's token neither goes on nor is taken for the client's.
func TestAttemptsOfTwoRules(t *testing.T) {
	attempts := make(chan http.Header, 10)
	upstream := harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		attempts <- r.Header
		w.WriteHeader(http.StatusUnauthorized)
	})
	configs := harness.CachedConfigs([]string{"first", "second"}, nil)
	// It neither changes nor protects X-Token, but reads it.
	configs["reading.dns.example.com"] = harness.Merge(configs["second"], harness.Config{
		"tokenHeader": "X-Other", "responseHeader": "X-Token", "requestHeaders": map[string]string{"X-Caller": "${request.header.x-token}"},
	})
	tests := []struct {
		cluster       string   // of the request's route, with the name of the second attempt's host
		tokens, other []string // X-Token and X-Other at both attempts
	}{
		{"reading.dns", []string{harness.IssuedToken("first", 1), "client"}, []string{"client", harness.IssuedToken("second", 1)}},
		{"bypassed.dns", []string{harness.IssuedToken("first", 2), "client"}, []string{"client", "client"}},
	}
	var routes []any
	var services []harness.Service
	for _, test := range tests {
		routes = append(routes, map[string]any{"match": map[string]any{"prefix": "/" + test.cluster}, "route": map[string]any{
			"cluster": "outbound|80||" + test.cluster, "auto_host_rewrite": true,
			"retry_policy": map[string]any{"retry_on": "retriable-status-codes", "retriable_status_codes": []int{401}, "num_retries": 1},
		}})
		services = append(services, upstream.Service(test.cluster))
	}
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(configs), Place: harness.InRouter, Services: services,
		VirtualHosts: []any{map[string]any{"name": "gateway", "domains": []string{"*"}, "routes": routes}},
	})
	gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	for _, test := range tests {
		gateway.Get(t, "/"+test.cluster, "Host: first", "X-Token: client", "X-Other: client")
		var tokens, other []string
		for len(attempts) > 0 {
			attempt := <-attempts
			tokens, other = append(tokens, attempt.Values("X-Token")...), append(other, attempt.Values("X-Other")...)
		}
		if !slices.Equal(tokens, test.tokens) || !slices.Equal(other, test.other) {
			t.Errorf("%s: got X-Token %q and X-Other %q at the attempts, expected %q and %q", test.cluster, tokens, other, test.tokens, test.other)
		}
	}
	if calls := gateway.Token.CallsOf("second"); len(calls) != 1 || calls[0].Header.Get("X-Caller") != "client" {
		t.Errorf("got the second rule's calls %+v, expected one with the client's X-Token", calls)
	}
}

// A secret may be replaced between two attempts: the second one still starts from the client's token.
func TestAttemptsBeforeAndAfterAnUpdate(t *testing.T) {
	const caller = "Bearer client"
	received, reject := make(chan string, 2), make(chan struct{})
	upstream := harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header.Get("Authorization")
		if len(received) == 1 {
			<-reject
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	config := func(secret string) harness.Config {
		return harness.OAuth2Config("/exchange", harness.Merge(harness.Exchange, harness.Config{"clientSecret": secret}), nil)
	}
	gateway := harness.Start(t, harness.Options{
		Config: config("old"), Place: harness.InRouter, ECDS: true, VirtualHosts: retries(), Services: []harness.Service{upstream.Service("upstream.dns")},
	})
	gateway.Token.Handle(harness.ExchangeServer(300))
	answer := harness.SendParallel(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", "Authorization: "+caller))
	gateway.Token.WaitCalls(t, 1)
	gateway.Update(t, config("new"))
	close(reject)
	answer.CheckStatus(t, http.StatusOK)
	calls := gateway.Token.Calls()
	if len(calls) != 2 || calls[0].Header.Get("Authorization") == calls[1].Header.Get("Authorization") || calls[0].Body != calls[1].Body {
		t.Errorf("got the calls %+v, expected two that exchange the same token, each with its secret", calls)
	}
	if first, second := <-received, <-received; first == caller || second == caller {
		t.Errorf("got %q and %q at the attempts, expected the exchanged tokens", first, second)
	}
}
