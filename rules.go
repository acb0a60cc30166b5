package main

import (
	"strings"

	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/tidwall/gjson"

	"token-fetch/internal/abi"
	"token-fetch/internal/schema"
)

// rule has the conditions of wasm-go: routes or domains or services or route
// prefixes, the first that is given; routes and services together must both match.
type rule struct {
	routes        []string
	domains       []string // in lower case; exact, or with * at one end
	services      []string // FQDN, with or without a port
	routePrefixes []string
	part          *part
}

// dependsOnRoute reports whether a request that changes its route could change its rule.
func (r *rule) dependsOnRoute() bool { return len(r.domains) == 0 || len(r.routes) > 0 }

// readRules reads _rules_: each rule has its conditions among its keys, and
// inherits the global part.
func readRules(listed gjson.Result, global schema.Section) []*rule {
	if !listed.IsArray() {
		global.Fail("invalid %s in config (want a list of rules)", matcher.RULES_KEY)
		return nil
	}
	var rules []*rule
	for i, entry := range listed.Array() {
		rules = append(rules, readRule(entry, global))
		if global.Err() != nil {
			global.InRule(matcher.RULES_KEY, i)
			return nil
		}
	}
	if len(rules) == 0 && !global.HasOwnKeys() {
		global.Fail("invalid %s in config: it has no rules and there is no global part (want at least one of them)", matcher.RULES_KEY)
	}
	return rules
}

func readRule(entry gjson.Result, global schema.Section) *rule {
	if !entry.IsObject() {
		global.Fail("invalid rule in config (want an object)")
		return nil
	}
	own := global.Over(entry)
	r := &rule{
		routes:        own.Conditions(matcher.MATCH_ROUTE_KEY),
		services:      own.Conditions(matcher.MATCH_SERVICE_KEY),
		routePrefixes: own.Conditions(matcher.MATCH_ROUTE_PREFIX_KEY),
		part:          readPart(own),
	}
	for _, text := range own.Conditions(matcher.MATCH_DOMAIN_KEY) {
		r.domains = append(r.domains, strings.ToLower(text))
	}
	if len(r.routes)+len(r.domains)+len(r.services)+len(r.routePrefixes) == 0 {
		own.Fail("missing condition in config (want %s, %s, %s or %s)",
			matcher.MATCH_ROUTE_KEY, matcher.MATCH_DOMAIN_KEY, matcher.MATCH_SERVICE_KEY, matcher.MATCH_ROUTE_PREFIX_KEY)
	}
	return r
}

// withoutPort cuts the port off an authority; the colons of an IPv6 address stay.
func withoutPort(authority string) string {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || colon < strings.LastIndexByte(authority, ']') {
		return authority
	}
	return authority[:colon]
}

// What rules ask about a request. Each answer costs a host call of some microseconds.

var _ facts = (*requestContext)(nil)

func (r *requestContext) domain() string {
	authority, _ := abi.RequestHeader(":authority")
	return strings.ToLower(withoutPort(authority)) // hosts know no case (RFC 9110 section 4.2.3)
}

func (r *requestContext) routeName() string { return r.plugin.xdsProperty("xds\x00route_name") }
func (r *requestContext) service() string   { return r.plugin.xdsProperty("xds\x00cluster_name") }

// xdsProperty reads what the Higress host has as a property of its own, and stock
// Envoy among its attributes, below xds. Which of the two it is, the first
// request finds out. The Higress host has the first whenever it has the second: the matcher of wasm-go knows
// no other, and with it every plugin made for that host.
func (p *pluginContext) xdsProperty(path string) string {
	if !p.hasXDSAttributes {
		if value, ok := abi.Property(strings.TrimPrefix(path, "xds\x00")); ok {
			return value
		}
	}
	value, ok := abi.Property(path)
	if ok {
		p.hasXDSAttributes = true
	}
	return value
}
