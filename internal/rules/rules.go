// Package rules finds which rule of the configuration a request belongs to.
//
// internal/config reads the rules, the plugin builds an Index of them when it starts, and asks it once for each request:
//
//	config.Rule ── conditions ──> NewIndex ──> Index
//	                                             │ Match: what can still matter, and nothing else
//	                                             └────> Request (the host: authority, route, cluster)
//
// What must stay true:
//   - A rule means what it means to wasm-go's matcher, and so to every other plugin of the gateway. TestMatchesAsWasmGoDoes,
//     at the top, compares the two.
//   - But no client chooses a rule by a host that Envoy reads in another way: such a host is refused, and for all others the
//     rule is that of the virtual host with the same domain. TestHosts, in e2e/hostile, compares the two.
//   - Each answer of a Request costs a host call of some microseconds. Match asks for a value only if a rule that could
//     still win needs it (TestAsksForWhatItNeeds), and allocates nothing (TestMatchAllocatesNothing).
//   - A thousand rules cost a request no more than one: what is looked up is in maps.
package rules

import "math"

// Rule is the conditions of one rule. The first of routes, domains, services and route prefixes that is given
// decides; only routes and services are combined, and then both must match.
type Rule struct {
	Routes        []string
	Domains       []string // IsDomain holds for each
	Services      []string // FQDN, with or without a port
	RoutePrefixes []string
}

// DependsOnRoute reports whether a request that changes its route could change its rule.
func (r *Rule) DependsOnRoute() bool { return len(r.Domains) == 0 || len(r.Routes) > 0 }

// Request answers what rules ask about a request. Each answer costs a host call.
type Request interface {
	Authority() string // the :authority header as it came
	RouteName() string
	Cluster() string // outbound|PORT|SUBSET|FQDN, if the route leads to a service
}

// Index finds the first matching rule without going through all of them.
type Index struct {
	routes   routeIndex
	domains  domainIndex
	services serviceIndex
	prefixes prefixIndex
}

// None is what Match returns if no rule matches.
const None = math.MaxInt

// NewIndex indexes rules in their order of precedence.
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

// Match returns the index of the first rule that matches; None if none does, and the global part applies. ok is false if
// there are rules by domain and the request's authority names no host beyond doubt: then nothing may be done with it.
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
