package main

import (
	"fmt"
	"strings"

	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/tidwall/gjson"
)

// rules decide which scope a request belongs to, by the same conditions and in
// the same order as wasm-go's matcher. That one asks the host for three values on
// every request, each some microseconds; these ask for what their conditions need.
type rules []rule

// rule has the conditions of wasm-go: routes or domains or services or route
// prefixes, the first that is given; routes and services together must both match.
type rule struct {
	routes        []string
	domains       []domain
	services      []string
	routePrefixes []string
	scope         *scope
}

// facts are what rules may ask about a request; each answer costs a host call.
type facts interface {
	domain() string    // :authority without its port
	routeName() string // as the gateway named it
	service() string   // the cluster's name
}

// match returns the number of the first rule that matches, counted from 1; 0 when
// none does and the global part applies.
func (r rules) match(req facts) int {
	if len(r) == 0 {
		return 0
	}
	asked := askedOnce{facts: req}
	for i := range r {
		if r[i].matches(&asked) {
			return i + 1
		}
	}
	return 0
}

// dependOnRoute tells whether a request that changes its route could change its rule.
func (r rules) dependOnRoute() bool {
	for i := range r {
		if len(r[i].domains) == 0 || len(r[i].routes) > 0 {
			return true
		}
	}
	return false
}

func (r *rule) matches(req *askedOnce) bool {
	switch {
	case len(r.routes) > 0:
		return contains(r.routes, req.routeName()) && (len(r.services) == 0 || matchesService(r.services, req.service()))
	case len(r.domains) > 0:
		return matchesDomain(r.domains, req.domain())
	case len(r.services) > 0:
		return matchesService(r.services, req.service())
	default:
		route := req.routeName()
		for _, prefix := range r.routePrefixes {
			if strings.HasPrefix(route, prefix) {
				return true
			}
		}
		return false
	}
}

// askedOnce asks the host for a value at most once per request.
type askedOnce struct {
	facts
	host, route, cluster          string
	hasHost, hasRoute, hasCluster bool
}

func (a *askedOnce) domain() string {
	if !a.hasHost {
		a.host, a.hasHost = a.facts.domain(), true
	}
	return a.host
}

func (a *askedOnce) routeName() string {
	if !a.hasRoute {
		a.route, a.hasRoute = a.facts.routeName(), true
	}
	return a.route
}

func (a *askedOnce) service() string {
	if !a.hasCluster {
		a.cluster, a.hasCluster = a.facts.service(), true
	}
	return a.cluster
}

// domain is an entry of _match_domain_: exact, or with * at one end.
type domain struct {
	text           string
	suffix, prefix bool // text is the end, or the start, of what matches
}

func parseDomain(text string) domain {
	if rest, found := strings.CutPrefix(text, "*"); found {
		return domain{text: rest, suffix: true}
	}
	if rest, found := strings.CutSuffix(text, "*"); found {
		return domain{text: rest, prefix: true}
	}
	return domain{text: text}
}

func matchesDomain(domains []domain, host string) bool {
	for _, d := range domains {
		if d.suffix && strings.HasSuffix(host, d.text) || d.prefix && strings.HasPrefix(host, d.text) || host == d.text {
			return true
		}
	}
	return false
}

// matchesService compares with a cluster's name, outbound|PORT|SUBSET|FQDN; an
// entry is an FQDN, with or without a port.
func matchesService(services []string, cluster string) bool {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 {
		return false
	}
	port, fqdn := parts[1], parts[3]
	return contains(services, fqdn) || contains(services, fqdn+":"+port)
}

// withoutPort cuts the port off an authority; the colons of an IPv6 address stay.
func withoutPort(authority string) string {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || colon < strings.LastIndexByte(authority, ']') {
		return authority
	}
	return authority[:colon]
}

// parseRules reads _rules_: each rule has its conditions among its keys, and
// inherits the global part.
func parseRules(listed gjson.Result, global section, r *reader) rules {
	if !listed.IsArray() {
		r.fail("invalid %s in config (want a list of rules)", matcher.RULES_KEY)
		return nil
	}
	var parsed rules
	for i, entry := range listed.Array() {
		parsed = append(parsed, parseRule(entry, global, r))
		if r.err != nil {
			r.err = fmt.Errorf("%s[%d]: %w", matcher.RULES_KEY, i, r.err)
			return nil
		}
	}
	if len(parsed) == 0 && global.layers != nil && !hasOwnKeys(global) {
		r.fail("invalid %s in config: it has no rules and there is no global part (want at least one of them)", matcher.RULES_KEY)
	}
	return parsed
}

func parseRule(entry gjson.Result, global section, r *reader) rule {
	if !entry.IsObject() {
		r.fail("invalid rule in config (want an object)")
		return rule{}
	}
	own := newSection(keyRoot, "", entry, global, r)
	parsed := rule{
		routes:        own.conditionList(matcher.MATCH_ROUTE_KEY),
		services:      own.conditionList(matcher.MATCH_SERVICE_KEY),
		routePrefixes: own.conditionList(matcher.MATCH_ROUTE_PREFIX_KEY),
		scope:         own.scope(),
	}
	for _, text := range own.conditionList(matcher.MATCH_DOMAIN_KEY) {
		parsed.domains = append(parsed.domains, parseDomain(strings.ToLower(text)))
	}
	if len(parsed.routes)+len(parsed.domains)+len(parsed.services)+len(parsed.routePrefixes) == 0 {
		r.fail("missing condition in config (want %s, %s, %s or %s)",
			matcher.MATCH_ROUTE_KEY, matcher.MATCH_DOMAIN_KEY, matcher.MATCH_SERVICE_KEY, matcher.MATCH_ROUTE_PREFIX_KEY)
	}
	return parsed
}

// conditionList reads a rule's own list, which is never inherited. A single
// string counts as a list of one, as for wasm-go's matcher.
func (s section) conditionList(name string) []string {
	value, set := s.own(name)
	if !set {
		return nil
	}
	var list []string
	for _, element := range value.Array() {
		if element.Type != gjson.String || element.Str == "" {
			s.reader.fail("invalid %s in config: %s (want a list of strings that are not empty)", name, shown(element))
			return nil
		}
		list = append(list, element.Str)
	}
	return list
}
