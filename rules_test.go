package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/higress-group/wasm-go/pkg/iface"
	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/higress-group/wasm-go/pkg/test"
	"github.com/tidwall/gjson"
)

// fakeFacts is a request as rules see it. It counts what it was asked.
type fakeFacts struct {
	authority, route, cluster string
	asked                     []string
}

func (f *fakeFacts) domain() string {
	f.asked = append(f.asked, "domain")
	return withoutPort(f.authority)
}

func (f *fakeFacts) routeName() string {
	f.asked = append(f.asked, "route")
	return f.route
}

func (f *fakeFacts) service() string {
	f.asked = append(f.asked, "service")
	return f.cluster
}

// withRules makes a configuration of conditions only; what the rules say is the sample's.
func withRules(conditions ...string) string {
	return extended(`"_rules_": [{` + strings.Join(conditions, "}, {") + `}]`)
}

func TestRulesAskForWhatTheyNeed(t *testing.T) {
	tests := map[string]struct {
		rules []string
		want  string
	}{
		"domain":            {[]string{`"_match_domain_": ["a.com"]`, `"_match_domain_": ["b.com"]`}, "domain"},
		"route":             {[]string{`"_match_route_": ["a"]`, `"_match_route_": ["b"]`, `"_match_route_": ["c"]`}, "route"},
		"prefix":            {[]string{`"_match_route_prefix_": ["a"]`}, "route"},
		"service":           {[]string{`"_match_service_": ["a.dns"]`}, "service"},
		"route and service": {[]string{`"_match_route_": ["a"], "_match_service_": ["a.dns"]`}, "route"},
		"all":               {[]string{`"_match_domain_": ["a"]`, `"_match_route_": ["b"]`, `"_match_service_": ["c"]`, `"_match_domain_": ["d"]`}, "domain route service"},
	}
	for name, test := range tests {
		facts := &fakeFacts{}
		newRuleIndex(mustParse(t, withRules(test.rules...)).rules).match(facts)
		if got := strings.Join(facts.asked, " "); got != test.want {
			t.Errorf("%s: asked for %q, expected %q", name, got, test.want)
		}
	}
	facts := &fakeFacts{}
	newRuleIndex(mustParse(t, sampleJSON).rules).match(facts)
	if len(facts.asked) != 0 {
		t.Errorf("without rules: asked for %q, expected nothing", facts.asked)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	parsed := mustParse(t, withRules(`"_match_domain_": ["b.com"]`, `"_match_route_": ["b"]`, `"_match_route_prefix_": ["c"]`))
	index := newRuleIndex(parsed.rules)
	facts := &fakeFacts{authority: "a.com:80", route: "a", asked: make([]string, 0, 8)}
	if allocations := testing.AllocsPerRun(100, func() { facts.asked = facts.asked[:0]; index.match(facts) }); allocations > 0 {
		t.Errorf("got %v allocations a request, expected none", allocations)
	}
}

// noIsolation is the plugin context that wasm-go's matcher asks about itself.
type noIsolation struct{ iface.PluginContext }

func (noIsolation) IsRuleLevelConfigIsolation() bool { return false }

// The rules must mean what they mean to every other plugin of the gateway.
func TestRulesMatchAsWasmGoDoes(t *testing.T) {
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
			ours := newRuleIndex(mustParse(t, config).rules)
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

func compareMatch(t *testing.T, theirs *matcher.RuleMatcher[int], ours *ruleIndex, authority, route, cluster string) {
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
	want := noRule
	if matched != nil && *matched > 0 {
		want = *matched - 1
	}
	if got := ours.match(&fakeFacts{authority: authority, route: route, cluster: cluster}); got != want {
		t.Errorf("%s: got rule %d, wasm-go has %d", fmt.Sprint(authority, " ", route, " ", cluster), got, want)
	}
}
