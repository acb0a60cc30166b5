package rules

import (
	"strings"
	"testing"
)

// fakeRequest counts what it was asked.
type fakeRequest struct {
	authority, route, cluster string
	asked                     []string
}

func (f *fakeRequest) Authority() string {
	f.asked = append(f.asked, "authority")
	return f.authority
}

func (f *fakeRequest) RouteName() string {
	f.asked = append(f.asked, "route")
	return f.route
}

func (f *fakeRequest) Cluster() string {
	f.asked = append(f.asked, "cluster")
	return f.cluster
}

func TestAsksForWhatItNeeds(t *testing.T) {
	tests := map[string]struct {
		rules []Rule
		want  string
	}{
		"nothing":            {nil, ""},
		"domain":             {[]Rule{{Domains: []string{"a.com"}}, {Domains: []string{"b.com"}}}, "authority"},
		"route":              {[]Rule{{Routes: []string{"a"}}, {Routes: []string{"b"}}, {Routes: []string{"c"}}}, "route"},
		"prefix":             {[]Rule{{RoutePrefixes: []string{"a"}}}, "route"},
		"service":            {[]Rule{{Services: []string{"a.dns"}}}, "cluster"},
		"route and service":  {[]Rule{{Routes: []string{"a"}, Services: []string{"a.dns"}}}, "route"},
		"all":                {[]Rule{{Domains: []string{"a"}}, {Routes: []string{"b"}}, {Services: []string{"c"}}, {Domains: []string{"d"}}}, "authority route cluster"},
		"none after a match": {[]Rule{{Domains: []string{"*"}}, {Routes: []string{"b"}}, {Services: []string{"c"}}}, "authority"},
	}
	for name, test := range tests {
		r := &fakeRequest{authority: "b.com"}
		NewIndex(test.rules).Match(r)
		if got := strings.Join(r.asked, " "); got != test.want {
			t.Errorf("%s: asked for %q, expected %q", name, got, test.want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	index := NewIndex([]Rule{{Domains: []string{"b.com"}}, {Routes: []string{"b"}}, {RoutePrefixes: []string{"c"}}})
	r := &fakeRequest{authority: "a.com:80", route: "a", asked: make([]string, 0, 8)}
	if allocations := testing.AllocsPerRun(100, func() { r.asked = r.asked[:0]; index.Match(r) }); allocations > 0 {
		t.Errorf("got %v allocations a request, expected none", allocations)
	}
}

// Rules by the thousand: the first that matches wins, whichever condition it has.
func TestFirstOfManyWins(t *testing.T) {
	var rules []Rule
	for range 1000 {
		rules = append(rules, Rule{Domains: []string{"other.example.com"}}, Rule{Routes: []string{"other"}}, Rule{Services: []string{"other.dns"}})
	}
	first := len(rules)
	rules = append(rules, Rule{RoutePrefixes: []string{"a-"}}, Rule{Domains: []string{"a.com"}}, Rule{Services: []string{"a.dns"}})
	if got, _ := NewIndex(rules).Match(&fakeRequest{authority: "a.com", route: "a-1", cluster: "outbound|80||a.dns"}); got != first {
		t.Errorf("got rule %d, expected %d", got, first)
	}
}

// Only a rule of domains alone stays the rule of a request whose route changes.
func TestWhichRulesDependOnTheRoute(t *testing.T) {
	a := []string{"a"}
	for _, test := range []struct {
		rule Rule
		want bool
	}{
		{Rule{Routes: a}, true}, {Rule{RoutePrefixes: a}, true}, {Rule{Services: a}, true}, {Rule{Domains: a}, false}, {Rule{Domains: a, Routes: a}, true},
	} {
		if got := test.rule.DependsOnRoute(); got != test.want {
			t.Errorf("%+v: got %v, expected %v", test.rule, got, test.want)
		}
	}
}

// A service matches a cluster of its name, with its port or any.
func TestMatchOfServices(t *testing.T) {
	index := NewIndex([]Rule{{Services: []string{"a.dns:81", "b.dns"}}, {Services: []string{"a.dns", ""}}})
	for cluster, want := range map[string]int{
		"outbound|81||a.dns": 0, "outbound|80|v1|b.dns": 0, "outbound|80||a.dns": 1, "outbound|80||": 1, "outbound|80||c.dns": None,
		"": None, "a.dns": None, "outbound|80|a.dns": None, "outbound|80||v1|a.dns": None, "outbound|81:||a.dns": 1,
	} {
		if got, _ := index.Match(&fakeRequest{cluster: cluster}); got != want {
			t.Errorf("%q: got rule %d, expected %d", cluster, got, want)
		}
	}
}
