package faults

import (
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

// rule is one entry of the gateway's _rules_, with its own token service. Its name
// is the host of its requests and the path of its token calls.
type rule struct {
	name   string
	share  int            // of the requests
	config harness.Config // beside the service and the path

	keyedBy        string // client's header that names whose token it is; "" for one token for all
	callEach       bool   // no cache: every request makes a call of its own
	json           bool   // the token is in the body, not in a header
	exchange       bool   // a token for the client's own, by RFC 8693
	header         string // that carries the token upstream; "" is X-Token
	prefix         string // before the token
	forwardsFailed bool   // requests whose call failed go on
	forwardsNone   bool   // so do those whose call brought no token
	status         int    // of a denial; 0 is 500
	body           string // of a denial; "" is that of the gateway
	staleFor       time.Duration
}

// newRules are the configurations that run side by side: the guide's sample, without a
// cache, and what people make of it.
func newRules() []*rule {
	// A short first wait, so that a minute has many calls.
	cache := harness.Config{"backoff": 20, "ttl": 2}
	cached := func(key string, value any) harness.Config { return harness.Merge(cache, harness.Config{key: value}) }
	// With an id of two letters, the harness finds the secret in HTTP Basic.
	client := harness.Config{"clientId": "gw", "clientSecret": harness.SecretMark + "-of-client"}
	rules := []*rule{
		{name: "sample", share: 12, callEach: true, forwardsNone: true},
		{
			name: "sample-of-caller", share: 14, callEach: true, forwardsNone: true, keyedBy: idHeader,
			config: harness.Config{"forwardHeaders": []string{idHeader}},
		},
		{
			name: "json-of-caller", share: 18, callEach: true, json: true, keyedBy: idHeader, status: 503, body: `{"error":"no token"}`,
			config: harness.Config{
				"tokenPath": "access_token", "forwardHeaders": []string{idHeader},
				"failure": harness.Config{"status": 503, "body": `{"error":"no token"}`, "contentType": "application/json"},
			},
		},
		{name: "cached", share: 10, json: true, config: harness.Config{"tokenPath": "access_token", "cache": cache}},
		{name: "allow", share: 10, forwardsFailed: true, forwardsNone: true, config: harness.Config{"cache": cache, "failure": harness.Allow}},
		{
			name: "client-credentials", share: 10, json: true, header: "Authorization", prefix: "Bearer ",
			config: harness.Config{"oauth2": client, "cache": cache},
		},
		{
			name: "exchange", share: 14, json: true, exchange: true, keyedBy: "Authorization", header: "Authorization", prefix: "Bearer ", status: 503,
			config: harness.Config{
				"oauth2": harness.Merge(client, harness.Exchange), "failure": harness.Config{"status": 503}, "cache": cached("maxEntries", 100),
			},
		},
		{
			name: "stale", share: 10, json: true, staleFor: 3 * time.Second,
			config: harness.Config{"tokenPath": "access_token", "cache": cached("staleIfError", 3)},
		},
		{
			name: "tenants", share: 10, keyedBy: tenantHeader,
			config: harness.Config{"forwardHeaders": []string{tenantHeader}, "cache": cached("maxEntries", 20)},
		},
	}
	for _, r := range rules {
		if r.header == "" {
			r.header = "X-Token"
		}
		if r.status == 0 {
			r.status = 500
		}
		if r.body == "" {
			r.body = harness.DefaultReply.Body
		}
	}
	return rules
}

// configuration is the plugin's, with one rule for each of these.
func configuration(rules []*rule) harness.Config {
	hosts := map[string]harness.Config{}
	for _, r := range rules {
		hosts[r.name] = harness.Merge(harness.Config{
			"serviceName": r.serviceName(), "requestPath": "/" + r.name, "tokenHeader": r.header, "timeout": callTimeout.Milliseconds(),
		}, r.config)
	}
	return harness.ByHost(hosts)
}

func (r *rule) serviceName() string { return r.name + ".static" }

func (r *rule) isOAuth() bool { return r.config["oauth2"] != nil }

// exact reports whether it is known which call was made for which request.
func (r *rule) exact() bool { return r.callEach && r.keyedBy == idHeader }
