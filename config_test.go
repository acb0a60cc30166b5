package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/tokenservice"
)

// environment stands for the VM's in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

func mustParse(t testing.TB, json string) *config {
	t.Helper()
	parsed, err := parseConfig([]byte(json), environment)
	if err != nil {
		t.Fatalf("parseConfig(%s): %v", json, err)
	}
	return parsed
}

func TestSampleConfiguration(t *testing.T) {
	s := mustParse(t, sampleJSON).global
	if got, want := clusterOf(s), "outbound|8080||token.dns"; got != want {
		t.Errorf("cluster: got %q, expected %q", got, want)
	}
	if s.cache != nil || s.failure.mode != modeSample || !s.overwrite || !s.enabled {
		t.Errorf("got cache %v, mode %v, overwrite %v, enabled %v", s.cache, s.failure.mode, s.overwrite, s.enabled)
	}
}

func TestClusterOfTheGateway(t *testing.T) {
	const name = "outbound|80||token.svc"
	s := mustParse(t, `{"serviceCluster": "`+name+`", "serviceHost": "token.example.com", "requestPath": "/token", "tokenHeader": "X-Token"}`).global
	if got := clusterOf(s); got != name {
		t.Errorf("cluster: got %q, expected %q", got, name)
	}
}

const warmUpOfCallers = `invalid cache.warmUp in config: true (want false where tokens depend on the caller, whom nobody knows before the request)`

// Rules inherit the warm-up and may take it back, for example where their tokens depend on the caller.
func TestWarmUpOfRules(t *testing.T) {
	parsed := mustParse(t, extended(`"cache": {"warmUp": true}, "_rules_": [
		{"_match_route_": ["a"]},
		{"_match_route_": ["b"], "cache": {"warmUp": false}, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["c"], "cache": {"warmUp": null}, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["d"], "enabled": false, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["e"], "cache": null}]`))
	if !parsed.global.cache.WarmUp || !parsed.rules[0].part.cache.WarmUp {
		t.Error("the global part and the first rule: got no warm-up")
	}
	for _, i := range []int{1, 2} {
		if parsed.rules[i].part.cache.WarmUp {
			t.Errorf("rule %d: got a warm-up", i)
		}
	}
	if parsed.rules[4].part.cache != nil {
		t.Error("the last rule: got a cache")
	}
	onlyDefaults := `{"enabled": false, "cache": {"warmUp": true}, "forwardHeaders": ["X-User"], "_rules_": [{"_match_route_": ["a"], "forwardHeaders": null,
		"serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X-Token"}]}`
	if !mustParse(t, onlyDefaults).rules[0].part.cache.WarmUp {
		t.Error("defaults for a rule: got no warm-up")
	}
}

// The texts are public: operators search for them.
func TestConfigurationErrors(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"nothing":                 {`{}`, `missing tokenHeader in config`},
		"unknown in cache":        {extended(`"cache": {"tll": 3}`), `unknown key cache.tll in config (did you mean cache.ttl?)`},
		"unknown with underscore": {extended(`"cache": {"_ttl": 3}`), `unknown key cache._ttl in config (did you mean cache.ttl?)`},
		"overwrite":               {extended(`"overwrite": 1`), `invalid overwrite in config: 1 (want true or false)`},
		"enabled":                 {extended(`"enabled": "no"`), `invalid enabled in config: "no" (want true or false)`},
		"failure mode":            {extended(`"failure": {"mode": "open"}`), `invalid failure.mode in config: "open" (want deny, allow)`},
		"failure status":          {extended(`"failure": {"status": 200}`), `invalid failure.status in config: 200 (want 400 to 599)`},
		"cache type":              {extended(`"cache": true`), `invalid cache in config: true (want an object)`},
		"redis in main.wasm":      {extended(`"cache": {"redis": {"serviceName": "redis.dns"}}`), `invalid cache.redis in config: this file has no Redis, which only Higress offers to plugins (want main-redis.wasm)`},
		"cache status":            {extended(`"cache": {"invalidateOn": [99]}`), `invalid cache.invalidateOn in config: 99 (want a list of statuses, 100 to 599)`},
		"warm-up type":            {extended(`"cache": {"warmUp": 1}`), `invalid cache.warmUp in config: 1 (want true or false)`},
		"warm-up of callers":      {extended(`"cache": {"warmUp": true}, "forwardHeaders": ["X-User"]`), warmUpOfCallers},
		"warm-up of an exchange":  {strings.TrimSuffix(exchangeConfig, "}") + `, "cache": {"warmUp": true}}`, warmUpOfCallers},
		"warm-up of a rule's callers": {extended(`"cache": {"warmUp": true}, "_rules_": [{"_match_route_": ["a"], "forwardHeaders": ["X-User"]}]`),
			`_rules_[0]: ` + warmUpOfCallers},
		"rules type":               {extended(`"_rules_": {}`), `invalid _rules_ in config (want a list of rules)`},
		"no rules at all":          {`{"_rules_": []}`, `invalid _rules_ in config: it has no rules and there is no global part (want at least one of them)`},
		"rule without condition":   {extended(`"_rules_": [{"requestPath": "/b"}]`), `_rules_[0]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_)`},
		"error in a rule":          {extended(`"_rules_": [{"_match_route_": ["a"]}, {"_match_route_": ["b"], "timeout": 0}]`), `_rules_[1]: invalid timeout in config: 0 (want 1 to 60000)`},
		"error beside good rules":  {`{"timeout": 5, "_rules_": [{"_match_route_": ["a"], "serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X-Token"}]}`, `missing tokenHeader in config`},
		"error in disabled global": {`{"enabled": false, "timeout": 0, "_rules_": [{"_match_route_": ["a"], "enabled": false}]}`, `invalid timeout in config: 0 (want 1 to 60000)`},
		"rule lacks what is needed": {`{"enabled": false, "serviceName": "token.dns", "_rules_": [{"_match_route_": ["a"], "requestPath": "/"}]}`,
			`_rules_[0]: missing tokenHeader in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig([]byte(test.config), environment)
			if err == nil {
				t.Fatalf("no error, expected %q", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got      %q\nexpected %q", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows a secret: %q", err)
			}
		})
	}
}

func clusterOf(p *part) string { return newClient(p, nil, nil).cluster.name }

func TestDefaultsOfCacheAndFailure(t *testing.T) {
	s := mustParse(t, extended(`"cache": {}`)).global
	want := cachePolicy{
		Policy: cache.Policy{Values: 1, RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000, Timeout: 1500 * time.Millisecond, Patience: 600 * time.Millisecond},
		shared: true, invalidateOn: []int{401},
	}
	got := *s.cache
	if len(got.invalidateOn) != 1 || got.invalidateOn[0] != 401 {
		t.Errorf("invalidateOn: got %v, expected [401]", got.invalidateOn)
	}
	got.invalidateOn, want.invalidateOn = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("cache: got %+v, expected %+v", got, want)
	}
	if s.failure.mode != modeDeny || s.failure.status != 500 || string(s.failure.body) != "http call failed" ||
		!slices.Equal(s.failure.headers, [][2]string{{"content-type", "text/plain; charset=utf-8"}}) {
		t.Errorf("failure with a cache: got %+v", s.failure)
	}
	if mode := mustParse(t, extended(`"failure": {}`)).global.failure.mode; mode != modeDeny {
		t.Errorf("failure without a mode: got %v, expected deny", mode)
	}
}

func TestRuleInheritance(t *testing.T) {
	parsed := mustParse(t, `{
		"serviceName": "token.dns", "requestPath": "/global", "tokenHeader": "X-Token", "timeout": 700,
		"requestHeaders": {"A": "1", "B": "2"}, "cache": {"ttl": 60, "maxEntries": 5}, "failure": {"status": 503, "body": "global"},
		"_rules_": [
			{"_match_route_": ["a"], "requestPath": "/rule", "requestHeaders": {"B": "3", "C": "4"}, "cache": {"backoff": 7}, "failure": {"mode": "allow"}},
			{"_match_route_": ["b"], "cache": null, "failure": null, "requestHeaders": {"A": null}},
			{"_match_route_": ["c"], "enabled": false}
		]}`)
	first, second, third := parsed.rules[0].part, parsed.rules[1].part, parsed.rules[2].part
	path, _ := tokenservice.FirstHeader(callHeaders(t, first), ":path")
	if path != "/rule" || first.service.Timeout != 700*time.Millisecond {
		t.Errorf("first rule: got path %q and timeout %s", path, first.service.Timeout)
	}
	for name, want := range map[string]string{"a": "1", "b": "3", "c": "4"} {
		if got, _ := tokenservice.FirstHeader(callHeaders(t, first), name); got != want {
			t.Errorf("first rule's header %s: got %q, expected %q", name, got, want)
		}
	}
	if first.cache.Backoff != 7*time.Millisecond || first.cache.MaxEntries != 5 {
		t.Errorf("first rule's cache is not merged: %+v", first.cache)
	}
	if first.failure.mode != modeAllow || first.failure.status != 503 || string(first.failure.body) != "global" {
		t.Errorf("first rule's failure is not merged: %+v", first.failure)
	}
	if second.cache != nil || second.failure.mode != modeSample {
		t.Errorf("null does not take keys away: %+v %+v", second.cache, second.failure)
	}
	if _, found := tokenservice.FirstHeader(callHeaders(t, second), "a"); found {
		t.Error("null does not take a header away")
	}
	if third.enabled || parsed.global == nil || !parsed.global.enabled {
		t.Error("enabled: expected the third rule only to be off")
	}
}

// callHeaders are those of the part's call for nobody in particular.
func callHeaders(t *testing.T, of *part) [][2]string {
	t.Helper()
	call, err := of.service.Call(nil, time.Unix(1795435200, 0))
	if err != nil {
		t.Fatal(err)
	}
	return call.Headers
}

func TestOnlyRulesLeaveOthersAlone(t *testing.T) {
	parsed := mustParse(t, `{"_plugin_id_": "x", "_rules_": [{"_match_domain_": ["a.com"], "serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T"}]}`)
	if parsed.global != nil {
		t.Error("keys of the gateway alone make a global part")
	}
}
