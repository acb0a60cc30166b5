package faults

import (
	"maps"
	"time"

	"token-fetch/e2e/harness"
)

// callTimeout is the timeout of every token call in this suite: the default.
const callTimeout = 500 * time.Millisecond

// forgedMark is a part of every token that a client brings in the protected header.
const forgedMark = "forged"

// idHeader numbers the requests; with it the upstream, and where it is forwarded the
// token service, knows which one it has before it.
const idHeader = "X-Fault-Id"

// tenantHeader tells callers apart where tokens depend on it.
const tenantHeader = "X-Tenant"

// rule is one entry of the gateway's _rules_, with a token service of its own. Its name
// is the host of its requests and the path of its token calls.
type rule struct {
	name   string
	share  int            // of the requests
	config map[string]any // beside the service and the path

	keyedBy  string        // client's header that names whose token it is; "" for one token for all
	callEach bool          // no cache: every request makes a call of its own
	json     bool          // the token is in the body, not in a header
	oauth    bool          // token request and answers by RFC 6749
	exchange bool          // a token for the client's own, by RFC 8693
	header   string        // that carries the token upstream
	prefix   string        // before the token
	onNoCall missing       // what becomes of a request whose call failed
	onNone   missing       // and of one whose call brought no token
	status   int           // of a denial
	body     string        // of a denial
	staleFor time.Duration // staleIfError
	faults   []*fault      // that suit it
	service  *tokenService // set when it has started
}

// missing is what becomes of a request that gets no token.
type missing int

const (
	deniedThen missing = iota
	forwardedThen
)

const failedBody = "http call failed"

// newRules are the configurations that run side by side: the guide's sample, without a
// cache, and what people make of it.
func newRules() []*rule {
	cache := func(more map[string]any) map[string]any {
		// A short first wait, so that a minute has many calls.
		cache := map[string]any{"backoff": 20, "ttl": 2}
		maps.Copy(cache, more)
		return cache
	}
	return []*rule{
		{
			name: "sample", share: 12, callEach: true, onNone: forwardedThen,
			config: map[string]any{"tokenHeader": "X-Token"},
		},
		{
			name: "sample-of-caller", share: 14, callEach: true, onNone: forwardedThen, keyedBy: idHeader,
			config: map[string]any{"tokenHeader": "X-Token", "forwardHeaders": []string{idHeader}},
		},
		{
			name: "json-of-caller", share: 18, callEach: true, json: true, keyedBy: idHeader, status: 503, body: `{"error":"no token"}`,
			config: map[string]any{
				"tokenHeader": "X-Token", "tokenPath": "access_token", "forwardHeaders": []string{idHeader},
				"failure": map[string]any{"status": 503, "body": `{"error":"no token"}`, "contentType": "application/json"},
			},
		},
		{
			name: "cached", share: 10, json: true,
			config: map[string]any{"tokenHeader": "X-Token", "tokenPath": "access_token", "cache": cache(nil)},
		},
		{
			name: "allow", share: 10, onNoCall: forwardedThen, onNone: forwardedThen,
			config: map[string]any{"tokenHeader": "X-Token", "cache": cache(nil), "failure": map[string]any{"mode": "allow"}},
		},
		{
			name: "client-credentials", share: 10, json: true, oauth: true, header: "Authorization", prefix: "Bearer ",
			config: map[string]any{"oauth2": oauth2(nil), "cache": cache(nil)},
		},
		{
			name: "exchange", share: 14, json: true, oauth: true, exchange: true, keyedBy: "Authorization",
			header: "Authorization", prefix: "Bearer ", status: 503,
			config: map[string]any{
				"oauth2": oauth2(map[string]any{"grantType": harness.TokenExchange}), "failure": map[string]any{"status": 503},
				"cache": cache(map[string]any{"maxEntries": 100}),
			},
		},
		{
			name: "stale", share: 10, json: true, staleFor: 3 * time.Second,
			config: map[string]any{"tokenHeader": "X-Token", "tokenPath": "access_token", "cache": cache(map[string]any{"staleIfError": 3})},
		},
		{
			name: "tenants", share: 10, keyedBy: tenantHeader,
			config: map[string]any{
				"tokenHeader": "X-Token", "forwardHeaders": []string{tenantHeader}, "cache": cache(map[string]any{"maxEntries": 20}),
			},
		},
	}
}

func oauth2(more map[string]any) map[string]any {
	config := map[string]any{"clientId": "client", "clientSecret": harness.SecretMark + "-of-client"}
	maps.Copy(config, more)
	return config
}

// configuration is the plugin's, with one rule for each of these.
func configuration(rules []*rule) map[string]any {
	var entries []any
	for _, r := range rules {
		entry := map[string]any{
			"_match_domain_": []string{r.name},
			"serviceName":    r.serviceName(),
			"requestPath":    "/" + r.name,
			"timeout":        callTimeout.Milliseconds(),
		}
		maps.Copy(entry, r.config)
		entries = append(entries, entry)
		r.fillIn()
	}
	return map[string]any{"_rules_": entries}
}

func (r *rule) fillIn() {
	if r.header == "" {
		r.header = "X-Token"
	}
	if r.status == 0 {
		r.status = 500
	}
	if r.body == "" {
		r.body = failedBody
	}
}

func (r *rule) serviceName() string { return r.name + ".static" }

// exact reports whether it is known which call was made for which request.
func (r *rule) exact() bool { return r.callEach && r.keyedBy == idHeader }
