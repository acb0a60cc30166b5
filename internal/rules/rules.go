// Package rules finds the rule of the configuration that a request belongs to.
//
// internal/config reads the rules; the plugin builds an Index of them at start and consults it once per request:
//
//	config.Rule ── conditions ──> NewIndex ──> Index
//	                                             │ Match: asks only what can still matter
//	                                             └────> Request (the host: authority, route, cluster)
//
// What must stay true:
//
//   - A rule means what it means to wasm-go's matcher, and so to every other plugin in the gateway:
//     TestMatchesAsWasmGoDoes, in the root package, compares the two.
//   - The exception: no client picks a rule by a host that Envoy reads differently. Such a host is refused; any other
//     gets the rule of the virtual host with the same domain. TestHosts, in e2e/hostile, compares the two.
//   - Each value of a Request costs a host call of several microseconds. Match asks for one only if a rule that could
//     still win needs it (TestAsksForWhatItNeeds), and allocates nothing (TestMatchAllocatesNothing).
//   - A thousand rules cost a request no more than one: every lookup is in a map.
package rules

import "math"

// Rule is the conditions of one rule. The first of routes, domains, services and route prefixes that is set decides,
// except that routes and services combine: then both must match.
type Rule struct {
	Routes        []string
	Domains       []string // all satisfy IsDomain
	Services      []string // FQDN, with or without port
	RoutePrefixes []string
}

// DependsOnRoute reports whether the rule could change when a request's route changes.
func (r *Rule) DependsOnRoute() bool { return len(r.Domains) == 0 || len(r.Routes) > 0 }

// Request provides what rules ask about a request. Each method costs a host call.
type Request interface {
	Authority() string // the raw :authority header
	RouteName() string
	Cluster() string // outbound|PORT|SUBSET|FQDN, if the route leads to a service
}

// Index finds the first matching rule without iterating over all of them.
type Index struct {
	routes   routeIndex
	domains  domainIndex
	services serviceIndex
	prefixes prefixIndex
}

// None means that no rule matches.
const None = math.MaxInt

// NewIndex indexes rules in order of precedence.
func NewIndex(rules []Rule) *Index {
	x := &Index{routes: routeIndex{first: None}, domains: newDomainIndex(), services: newServiceIndex(), prefixes: prefixIndex{first: None}}
	for i := range rules {
		r := &rules[i]
		switch {
		case len(r.Routes) > 0:
			x.routes.add(i, r)
		case len(r.Domains) > 0:
			for _, domain := range r.Domains {
				x.domains.add(i, domain)
			}
		case len(r.Services) > 0:
			x.services.add(i, r.Services)
		default:
			for _, prefix := range r.RoutePrefixes {
				x.prefixes.add(i, prefix)
			}
		}
	}
	return x
}

// Match returns the index of the first rule that matches; None if no rule does and the global part applies. ok is false
// if there are rules by domain and the request's authority is ambiguous: such a request must be refused.
func (x *Index) Match(r Request) (rule int, ok bool) {
	var route string
	found := None
	if x.domains.first < found {
		host, ok := parseAuthority(r.Authority())
		if !ok {
			return None, false
		}
		found = min(found, x.domains.match(host))
	}
	if x.routes.first < found || x.prefixes.first < found {
		route = r.RouteName()
	}
	if x.prefixes.first < found {
		found = min(found, x.prefixes.match(route))
	}
	if x.routes.first < found {
		found = min(found, x.routes.match(route, found, r))
	}
	if x.services.first < found {
		found = min(found, x.services.match(r.Cluster()))
	}
	return found, true
}
