package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/rules"
	"token-fetch/internal/tokenservice"
)

// environment is that of the VM in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

// parse reads a configuration as main.wasm does.
func parse(json string) (*Config, error) { return Parse([]byte(json), environment, Features{}) }

func mustParse(t testing.TB, json string) *Config {
	t.Helper()
	parsed, err := parse(json)
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return parsed
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

const warmUpOfCallers = `invalid cache.warmUp in config: true (want false: tokens are per caller, so there is nothing to fetch ahead)`

func TestTheSampleHasNoCacheAndItsOwnFailureMode(t *testing.T) {
	p := mustParse(t, sampleJSON).Global
	if p.Cache != nil || p.Failure.Mode != AsSample || !p.Overwrite || !p.Enabled {
		t.Errorf("got cache %v, mode %v, overwrite %v, enabled %v", p.Cache, p.Failure.Mode, p.Overwrite, p.Enabled)
	}
}

func TestDefaultsOfCacheAndFailure(t *testing.T) {
	p := mustParse(t, extended(`"cache": {}`)).Global
	want := Cache{
		Policy: cache.Policy{RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000},
		Shared: true, InvalidateOn: []int{401},
	}
	if !reflect.DeepEqual(*p.Cache, want) {
		t.Errorf("cache: got %+v, expected %+v", *p.Cache, want)
	}
	failure := Failure{Mode: Deny, Status: 500, Body: []byte("http call failed"), Headers: [][2]string{{"content-type", "text/plain; charset=utf-8"}}}
	if !reflect.DeepEqual(p.Failure, failure) {
		t.Errorf("failure with a cache: got %+v, expected %+v", p.Failure, failure)
	}
	if mode := mustParse(t, extended(`"failure": {}`)).Global.Failure.Mode; mode != Deny {
		t.Errorf("failure without a mode: got %v, expected deny", mode)
	}
}

// The file with Redis takes what the other refuses.
func TestRedisIsForTheFileThatHasIt(t *testing.T) {
	const config = `"cache": {"redis": {"serviceName": "redis.dns"}}`
	parsed, err := Parse([]byte(extended(config)), environment, Features{Redis: true})
	if err != nil || parsed.Global.Cache.Redis == nil || parsed.Global.Cache.Redis.ServiceName != "redis.dns" {
		t.Errorf("got %+v (%v), expected redis.dns", parsed, err)
	}
}

// Rules inherit the warm-up and may take it back, for example where their tokens depend on the caller.
func TestWarmUpOfRules(t *testing.T) {
	parsed := mustParse(t, extended(`"cache": {"warmUp": true}, "_rules_": [
		{"_match_route_": ["a"]},
		{"_match_route_": ["b"], "cache": {"warmUp": false}, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["c"], "cache": {"warmUp": null}, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["d"], "enabled": false, "forwardHeaders": ["X-User"]},
		{"_match_route_": ["e"], "cache": null}]`))
	if !parsed.Global.Cache.WarmUp || !parsed.Rules[0].Part.Cache.WarmUp {
		t.Error("the global part and the first rule: got no warm-up")
	}
	for _, i := range []int{1, 2} {
		if parsed.Rules[i].Part.Cache.WarmUp {
			t.Errorf("rule %d: got a warm-up", i)
		}
	}
	if parsed.Rules[4].Part.Cache != nil {
		t.Error("the last rule: got a cache")
	}
	onlyDefaults := `{"enabled": false, "cache": {"warmUp": true}, "forwardHeaders": ["X-User"], "_rules_": [{"_match_route_": ["a"], "forwardHeaders": null,
		"serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X-Token"}]}`
	if !mustParse(t, onlyDefaults).Rules[0].Part.Cache.WarmUp {
		t.Error("defaults for a rule: got no warm-up")
	}
}

// The texts are public: operators search for them.
func TestConfigurationErrors(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"unknown in cache":   {extended(`"cache": {"tll": 3}`), `unknown key cache.tll in config (did you mean cache.ttl?)`},
		"failure status":     {extended(`"failure": {"status": 200}`), `invalid failure.status in config: 200 (want 400 to 599)`},
		"redis in main.wasm": {extended(`"cache": {"redis": {"serviceName": "redis.dns"}}`), `invalid cache.redis in config: this file does not support Redis, which only Higress offers to plugins (want main-redis.wasm)`},
		"cache status":       {extended(`"cache": {"invalidateOn": [99]}`), `invalid cache.invalidateOn in config: 99 (want a list of statuses, 100 to 599)`},
		"warm-up of callers": {extended(`"cache": {"warmUp": true}, "forwardHeaders": ["X-User"]`), warmUpOfCallers},
		"warm-up of a rule's callers": {extended(`"cache": {"warmUp": true}, "_rules_": [{"_match_route_": ["a"], "forwardHeaders": ["X-User"]}]`),
			`_rules_[0]: ` + warmUpOfCallers},
		"a rule's call sets what the global part forwards": {extended(`"forwardHeaders": ["X-Api-Key"], "_rules_": [{"_match_route_": ["a"], "requestHeaders": {"x-api-key": "k"}}]`),
			`_rules_[0]: invalid forwardHeaders in config: "X-Api-Key" (want headers that the token call does not set itself)`},
		"rules type":             {extended(`"_rules_": {}`), `invalid _rules_ in config (want a list of rules)`},
		"a rule that is a text":  {extended(`"_rules_": ["a"]`), `_rules_[0]: invalid rule in config (want an object)`},
		"content type":           {extended(`"failure": {"contentType": "a\n"}`), `invalid failure.contentType in config: "a�" (want a header value: no control characters)`},
		"no rules at all":        {`{"_rules_": []}`, `invalid _rules_ in config: it has no rules and there is no global part (want at least one of them)`},
		"rule without condition": {extended(`"_rules_": [{"requestPath": "/b"}]`), `_rules_[0]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_)`},
		"error in a rule":        {extended(`"_rules_": [{"_match_route_": ["a"]}, {"_match_route_": ["b"], "timeout": 0}]`), `_rules_[1]: invalid timeout in config: 0 (want 1 to 60000)`},
		"error in the global part, valid rules": {`{"timeout": 5, "_rules_": [{"_match_route_": ["a"], "serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X-Token"}]}`,
			`missing tokenHeader in config; missing requestPath in config; missing serviceName in config`},
		"errors of several rules": {extended(`"timeout": "2000", "cache": {"ttl": 0}, "_rules_": [{"_match_route_": ["a"], "requestPath": "“/a”"}, {"_match_route_": [5], "timeout": 0}, {"timeout": true}]`),
			`invalid timeout in config: "2000" (want 1 to 60000, without quotes); invalid cache.ttl in config: 0 (want 1 to 315360000); ` +
				`_rules_[0]: invalid requestPath in config: "“/a”" (want no typographic quotes around it: write " or ', or none); ` +
				`_rules_[1]: invalid timeout in config: 0 (want 1 to 60000); _rules_[1]: invalid _match_route_ in config: 5 (want a list of non-empty strings); ` +
				`_rules_[2]: invalid timeout in config: true (want 1 to 60000); _rules_[2]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_)`},
		"domains, two wrong":       {extended(`"_rules_": [{"_match_domain_": ["a.com", "https://b.com/x", "b/"]}]`), `_rules_[0]: invalid _match_domain_ in config: "https://b.com/x" (want a host, optionally with * at one end and followed by :PORT, or :* for any port); _rules_[0]: invalid _match_domain_ in config: "b/" (want a host, optionally with * at one end and followed by :PORT, or :* for any port)`},
		"error in disabled global": {`{"enabled": false, "timeout": 0, "_rules_": [{"_match_route_": ["a"], "enabled": false}]}`, `invalid timeout in config: 0 (want 1 to 60000)`},
		"rule lacks what is needed": {`{"enabled": false, "serviceName": "token.dns", "_rules_": [{"_match_route_": ["a"], "requestPath": "/"}]}`,
			`_rules_[0]: missing tokenHeader in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse(test.config)
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

func TestRuleInheritance(t *testing.T) {
	parsed := mustParse(t, `{
		"serviceName": "token.dns", "requestPath": "/global", "tokenHeader": "X-Token", "timeout": 700,
		"requestHeaders": {"A": "1", "B": "2"}, "cache": {"ttl": 60, "maxEntries": 5}, "failure": {"status": 503, "body": "global"},
		"_rules_": [
			{"_match_route_": ["a"], "requestPath": "/rule", "requestHeaders": {"B": "3", "C": "4"}, "cache": {"backoff": 7}, "failure": {"mode": "allow"}},
			{"_match_route_": ["b"], "cache": null, "failure": null, "requestHeaders": {"A": null}},
			{"_match_route_": ["c"], "enabled": false}
		]}`)
	first, second, third := parsed.Rules[0].Part, parsed.Rules[1].Part, parsed.Rules[2].Part
	path, _ := tokenservice.FirstHeader(callHeaders(t, first), ":path")
	if path != "/rule" || first.Service.Timeout != 700*time.Millisecond {
		t.Errorf("first rule: got path %q and timeout %s", path, first.Service.Timeout)
	}
	for name, want := range map[string]string{"a": "1", "b": "3", "c": "4"} {
		if got, _ := tokenservice.FirstHeader(callHeaders(t, first), name); got != want {
			t.Errorf("first rule's header %s: got %q, expected %q", name, got, want)
		}
	}
	if first.Cache.Backoff != 7*time.Millisecond || first.Cache.MaxEntries != 5 {
		t.Errorf("first rule's cache is not merged: %+v", first.Cache)
	}
	if first.Failure.Mode != Allow || first.Failure.Status != 503 || string(first.Failure.Body) != "global" {
		t.Errorf("first rule's failure is not merged: %+v", first.Failure)
	}
	if second.Cache != nil || second.Failure.Mode != AsSample {
		t.Errorf("null does not take keys away: %+v %+v", second.Cache, second.Failure)
	}
	if _, found := tokenservice.FirstHeader(callHeaders(t, second), "a"); found {
		t.Error("null does not take a header away")
	}
	if third.Enabled || parsed.Global == nil || !parsed.Global.Enabled {
		t.Error("enabled: expected the third rule only to be off")
	}
}

// callHeaders are those of the part's call for a request that brings what it needs; nil where that is more than one can guess.
func callHeaders(t *testing.T, of *Part) [][2]string {
	t.Helper()
	var request, named = [][2]string{{":authority", "a.example.com:80"}, {":path", "/a/b?c=d"}, {":method", "GET"}}, []string(nil)
	for _, name := range of.Service.CallerHeaders() {
		if !strings.HasPrefix(name, ":") {
			request = append(request, [2]string{name, "Bearer e30.eyJhIjoiYiJ9.e30"})
		}
	}
	for range of.Service.Links() {
		named = append(named, "t1")
	}
	values, err := of.Service.AppendCaller(nil, request)
	if err != nil || of.Service.IsSigned() {
		return nil
	}
	call, err := of.Service.Call(of.Service.Caller(values), named, nil, time.Unix(1795435200, 0))
	if missing := (*tokenservice.MissingError)(nil); err != nil && !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return call.Headers
}

func TestOnlyRulesLeaveOthersAlone(t *testing.T) {
	parsed := mustParse(t, `{"_plugin_id_": "x", "_rules_": [{"_match_domain_": ["a.com"], "serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T"}]}`)
	if parsed.Global != nil {
		t.Error("keys of the gateway alone make a global part")
	}
	for _, rules := range []string{"null", "[]"} {
		if parsed := mustParse(t, extended(`"_rules_": `+rules)); len(parsed.Rules) != 0 || parsed.Global == nil {
			t.Errorf("%s: got %+v, expected the global part alone", rules, parsed)
		}
	}
}

// Header names know no case.
func TestHeaderNamedTwice(t *testing.T) {
	for name, more := range map[string]string{
		"same name":  `"requestHeaders": {"A": "1", "A": "2"}`,
		"other case": `"upstreamHeaders": {"X-User": "header:a", "x-user": "body:b"}`,
	} {
		if _, err := parse(extended(more)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestErrorsShowNoCredentials(t *testing.T) {
	for _, config := range []string{
		`{"serviceName": "user:s3cr3t@token.dns", "requestPath": "/token", "tokenHeader": "X-Token"}`,
		`{"serviceName": "token.dns", "serviceHost": "user:s3cr3t@token.example.com", "requestPath": "/token", "tokenHeader": "X-Token"}`,
		`{"serviceName": "token.dns", "requestPath": "https://user:s3cr3t@token.example.com/", "tokenHeader": "X-Token"}`,
	} {
		_, err := parse(config)
		if err == nil {
			t.Errorf("%s: got no error", config)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("got %q, expected no secret in it", err)
		}
	}
}

func TestConditionsInTheirOrder(t *testing.T) {
	got := mustParse(t, extended(`"_rules_": [{"_match_route_": ["a"], "_match_service_": "b"}, {"_match_domain_": ["C.com"]}, {"_match_route_prefix_": ["d"]}]`)).Conditions()
	want := []rules.Rule{{Routes: []string{"a"}, Services: []string{"b"}}, {Domains: []string{"C.com"}}, {RoutePrefixes: []string{"d"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, expected %+v", got, want)
	}
}

// The Higress host has one client for each cluster: parts that introduce themselves in different ways would break each
// other's connections.
func TestPartsWithOneRedisAgree(t *testing.T) {
	const wrong = "invalid cache.redis in config: username, password, database or timeout differ from those of another part with redis.dns:6379 (want the same: the gateway has one client for it)"
	tests := map[string]struct{ rule, want string }{
		"the same":                 {`"requestPath": "/other"`, ""},
		"another password":         {`"cache": {"redis": {"password": "s3cr3t"}}`, "_rules_[0]: " + wrong},
		"another database":         {`"cache": {"redis": {"database": 3}}`, "_rules_[0]: " + wrong},
		"another Redis":            {`"cache": {"redis": {"serviceName": "other.dns", "password": "s3cr3t"}}`, ""},
		"another port":             {`"cache": {"redis": {"servicePort": 6380, "password": "s3cr3t"}}`, ""},
		"a rule that is no longer": {`"enabled": false, "cache": {"redis": {"password": "s3cr3t"}}`, ""},
	}
	for name, test := range tests {
		config := extended(`"cache": {"redis": {"serviceName": "redis.dns", "password": "first"}}, "_rules_": [{"_match_route_": ["a"], ` + test.rule + `}]`)
		_, err := Parse([]byte(config), environment, Features{Redis: true})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\ngot      %q\nexpected %q", name, got, test.want)
		}
	}
}
