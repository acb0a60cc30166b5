package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"token-fetch/internal/config"
)

// The summary of a rule, depending on what it adds to the global part.
func TestEffectsOfRules(t *testing.T) {
	const global = `"serviceName": "global.dns", "servicePort": 8080, "requestPath": "/", "tokenHeader": "X-Token"`
	const cluster = `"serviceCluster": "global-cluster", "serviceHost": "a.example.com", "requestPath": "/", "tokenHeader": "X-Token"`
	tests := []struct{ global, rule, effect string }{
		{global, ``, "X-Token from outbound|8080||global.dns, a call for each request"},
		{global, `"servicePort": "82"`, "X-Token from outbound|82||global.dns, a call for each request"},
		{global, `"servicePort": 0, "serviceName": "zero.dns"`, "X-Token from outbound|80||zero.dns, a call for each request"},
		{global, `"serviceName": "cached.dns", "cache": {}`, "X-Token from outbound|8080||cached.dns, cached"},
		{global, `"serviceName": "oauth2.dns", "tokenHeader": null, "oauth2": {"clientId": "a", "clientSecret": "b"}`, "Authorization from outbound|8080||oauth2.dns, cached"},
		{global, `"servicePort": null, "serviceName": null, "serviceCluster": "of-its-own", "serviceHost": "a.example.com"`, "X-Token from of-its-own, a call for each request"},
		{global, `"enabled": false`, "left alone"},
		{global, `"requestHeaders": {"A": "${token.b} ${token.c}"}, "tokens": {"b": {"jwt": {"secret": "0123456789abcdef0123456789abcdef"}}, "c": {"serviceName": "c.dns", "requestPath": "/${token.b}", "tokenPath": "t"}}`,
			"X-Token from outbound|8080||global.dns, a call for each request ← token b signed by the plugin and token c from outbound|80||c.dns ← token b signed by the plugin"},
		{global, `"jwt": {"secret": "0123456789abcdef0123456789abcdef"}`, "X-Token signed by the plugin, cached"},
		{cluster, ``, "X-Token from global-cluster, a call for each request"},
		{cluster, `"serviceName": "named.dns", "servicePort": 81`, "X-Token from outbound|81||named.dns, a call for each request"},
	}
	for _, test := range tests {
		rule := strings.TrimSuffix(`{"_match_route_": "a", `+test.rule, ", ") + "}"
		c, err := config.Parse([]byte("{"+test.global+`, "_rules_": [`+rule+"]}"), unknown, config.Features{})
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		if s := summarize(c); s.rules[0].effect != test.effect {
			t.Errorf("%s: got %q, expected %q", rule, s.rules[0].effect, test.effect)
		}
	}
}

// A fleet's Redis is a cluster too.
func TestClustersOfRedis(t *testing.T) {
	for redis, want := range map[string]string{
		`"serviceName": "redis.dns"`:                         "outbound|6379||redis.dns",
		`"serviceName": "redis.static"`:                      "outbound|80||redis.static",
		`"serviceName": "redis.static", "servicePort": 6380`: "outbound|6380||redis.static",
	} {
		text := fmt.Sprintf(`{"_rules_": [{"_match_route_": "a", "serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T", "cache": {"redis": {%s}}}]}`, redis)
		c, err := config.Parse([]byte(text), unknown, config.Features{Redis: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := summarize(c).clusters; !slices.Equal(got, []string{want, "outbound|80||a.dns"}) && !slices.Equal(got, []string{"outbound|80||a.dns", want}) {
			t.Errorf("%s: got %q, expected %s and outbound|80||a.dns", redis, got, want)
		}
	}
}
