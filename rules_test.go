package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/higress-group/wasm-go/pkg/iface"
	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/higress-group/wasm-go/pkg/test"
	"github.com/tidwall/gjson"

	"token-fetch/internal/rules"
)

// withRules makes a configuration of conditions only; what the rules say is the sample's.
func withRules(conditions ...string) string {
	return extended(`"_rules_": [{` + strings.Join(conditions, "}, {") + `}]`)
}

// fakeRequest is a request as rules see it.
type fakeRequest struct{ authority, route, cluster string }

func (f fakeRequest) Authority() string { return f.authority }
func (f fakeRequest) RouteName() string { return f.route }
func (f fakeRequest) Cluster() string   { return f.cluster }

// noIsolation is the plugin context that wasm-go's matcher asks about itself.
type noIsolation struct{ iface.PluginContext }

func (noIsolation) IsRuleLevelConfigIsolation() bool { return false }

// The rules must mean what they mean to every other plugin of the gateway.
func TestMatchesAsWasmGoDoes(t *testing.T) {
	configs := []string{
		withRules(`"_match_route_": ["a", "b"]`, `"_match_domain_": ["*.com", "exact.org", "pre*"]`, `"_match_service_": ["s.dns:80", "t.dns"]`, `"_match_route_prefix_": ["r-"]`),
		withRules(`"_match_route_": ["a"], "_match_domain_": ["x.com"]`, `"_match_route_": ["b"], "_match_service_": ["s.dns"]`, `"_match_domain_": ["x.com"], "_match_service_": ["s.dns"]`),
		withRules(`"_match_domain_": ["*"]`),
		withRules(`"_match_service_": ["s.dns:81"], "_match_route_prefix_": ["r-"]`, `"_match_domain_": ["[::1]"]`),
		`{"_rules_": [{"_match_route_": "a", "serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T"}]}`,
	}
	test.RunGoTest(t, func(t *testing.T) {
		for _, config := range configs {
			theirs := wasmGoRules(t, config)
			ours := rules.NewIndex(mustParse(t, config).Conditions())
			for _, authority := range []string{"x.com", "x.com:8080", "com", "exact.org", "exact.org:1", "prefix.net", "other", "[::1]:80", "[::1]"} {
				for _, route := range []string{"a", "b", "c", "r-1", "xr-1"} {
					for _, cluster := range []string{"outbound|80||s.dns", "outbound|81||s.dns", "outbound|80||t.dns", "outbound|80||u.dns", "plain"} {
						compareMatch(t, theirs, ours, authority, route, cluster)
					}
				}
			}
		}
	})
}

// wasmGoRules has the number of each rule as its configuration.
func wasmGoRules(t *testing.T, config string) *matcher.RuleMatcher[int] {
	t.Helper()
	theirs, count := &matcher.RuleMatcher[int]{}, 0
	err := theirs.ParseRuleConfig(noIsolation{}, gjson.Parse(config),
		func(_ gjson.Result, number *int) error { *number = 0; return nil },
		func(_ gjson.Result, _ int, number *int) error { count++; *number = count; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return theirs
}

func compareMatch(t *testing.T, theirs *matcher.RuleMatcher[int], ours *rules.Index, authority, route, cluster string) {
	t.Helper()
	host, _ := test.NewTestHost([]byte(sampleJSON))
	defer host.Reset()
	_ = host.SetRouteName(route)
	_ = host.SetClusterName(cluster)
	host.CallOnHttpRequestHeaders([][2]string{{":authority", authority}})
	matched, err := theirs.GetMatchConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := rules.None
	if matched != nil && *matched > 0 {
		want = *matched - 1
	}
	if got, _ := ours.Match(fakeRequest{authority, route, cluster}); got != want {
		t.Errorf("%s: got rule %d, wasm-go has %d", fmt.Sprint(authority, " ", route, " ", cluster), got, want)
	}
}
