package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// summarizedRule is a rule for a host, and what the summary must say of it.
type summarizedRule struct{ host, rule, effect string }

// summarized are the rules of a configuration, each for a host, and the effect that the summary must have of each. The
// last entry is the global part.
var summarized = []summarizedRule{
	{"inherits.test", `{}`, "X-Token from outbound|8080||global.dns, a call for each request"},
	{"port.test", `{"servicePort": 81}`, "X-Token from outbound|81||global.dns, a call for each request"},
	{"quoted.test", `{"servicePort": "82"}`, "X-Token from outbound|82||global.dns, a call for each request"},
	{"zero.test", `{"servicePort": 0, "serviceName": "zero.dns"}`, "X-Token from outbound|80||zero.dns, a call for each request"},
	{"null.test", `{"servicePort": null, "serviceName": "null.dns"}`, "X-Token from outbound|80||null.dns, a call for each request"},
	{"cached.test", `{"serviceName": "cached.dns", "cache": {}}`, "X-Token from outbound|8080||cached.dns, cached"},
	{"oauth2.test", `{"serviceName": "oauth2.dns", "tokenHeader": null, "oauth2": {"clientId": "a", "clientSecret": "b"}}`, "Authorization from outbound|8080||oauth2.dns, cached"},
	{"cluster.test", `{"servicePort": null, "serviceName": null, "serviceCluster": "of-its-own", "serviceHost": "a.example.com"}`, "X-Token from of-its-own, a call for each request"},
	{"alone.test", `{"enabled": false}`, "left alone"},
	{"other.test", ``, "X-Token from outbound|8080||global.dns, a call for each request"},
}

const summarizedGlobal = `"serviceName": "global.dns", "servicePort": 8080, "requestPath": "/", "tokenHeader": "X-Token"`

// What the summary says of a request is what the plugin does with it in a gateway that has none of the clusters: its log
// names each.
func TestSummaryIsWhatThePluginDoes(t *testing.T) { checkSummary(t, summarizedGlobal, summarized) }

// A rule that names its service by serviceName does not inherit the global part's cluster.
func TestSummaryBelowAGlobalCluster(t *testing.T) {
	checkSummary(t, `"serviceCluster": "global-cluster", "serviceHost": "a.example.com", "requestPath": "/", "tokenHeader": "X-Token"`, []summarizedRule{
		{"inherits.test", `{}`, "X-Token from global-cluster, a call for each request"},
		{"cluster.test", `{"serviceCluster": "of-its-own", "serviceName": ""}`, "X-Token from of-its-own, a call for each request"},
		{"named.test", `{"serviceName": "named.dns", "servicePort": 81}`, "X-Token from outbound|81||named.dns, a call for each request"},
		{"other.test", ``, "X-Token from global-cluster, a call for each request"},
	})
}

func checkSummary(t *testing.T, global string, summarized []summarizedRule) {
	t.Helper()
	var rules []string
	for _, of := range summarized {
		if of.rule != "" {
			rules = append(rules, strings.Replace(strings.Replace(of.rule, "{", fmt.Sprintf(`{"_match_domain_": [%q], `, of.host), 1), ", }", "}", 1))
		}
	}
	config := "{" + global + `, "_rules_": [` + strings.Join(rules, ",") + `]}`
	if !json.Valid([]byte(config)) {
		t.Fatalf("not JSON: %s", config)
	}
	s := summarize([]byte(config))
	gateway := harness.Start(t, harness.Options{Config: config})
	for i, of := range summarized {
		effect := s.rest
		if i < len(s.rules) {
			effect = s.rules[i].effect
		}
		if effect != of.effect {
			t.Errorf("%s: the summary says %q, expected %q", of.host, effect, of.effect)
		}
		gateway.Upstream.Forget()
		gateway.Get(t, "/", "Host: "+of.host, "X-Token: own")
		if cluster := fromCluster.FindStringSubmatch(of.effect); cluster != nil {
			waitLog(t, gateway, "which has no cluster "+cluster[1]+";")
		}
		reached := gateway.Upstream.Requests()
		if own := len(reached) > 0 && reached[0].Header.Get("X-Token") == "own"; own != (of.effect == "left alone") {
			t.Errorf("%s: the client's own header reached the upstream: %v", of.host, own)
		}
	}
}

var fromCluster = regexp.MustCompile(` from (\S+),`)

// waitLog waits for what Envoy logs a little later than it answers.
func waitLog(t *testing.T, gateway *harness.Gateway, text string) {
	t.Helper()
	for start := time.Now(); !gateway.LogContains(text); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("the log has no %q", text)
		}
	}
}
