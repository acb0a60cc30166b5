package main

import (
	"strings"

	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/tidwall/gjson"

	"token-fetch/internal/abi"
	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
)

// rule is a part of the configuration with the conditions of its requests.
type rule struct {
	rules.Rule
	part *part
}

// readRules reads _rules_: each rule has its conditions among its keys, and
// inherits the global part.
func readRules(listed gjson.Result, global schema.Section) []*rule {
	if !listed.IsArray() {
		global.Fail("invalid %s in config (want a list of rules)", matcher.RULES_KEY)
		return nil
	}
	var read []*rule
	for i, entry := range listed.Array() {
		read = append(read, readRule(entry, global))
		if global.Err() != nil {
			global.InRule(matcher.RULES_KEY, i)
			return nil
		}
	}
	if len(read) == 0 && !global.HasOwnKeys() {
		global.Fail("invalid %s in config: it has no rules and there is no global part (want at least one of them)", matcher.RULES_KEY)
	}
	return read
}

func readRule(entry gjson.Result, global schema.Section) *rule {
	if !entry.IsObject() {
		global.Fail("invalid rule in config (want an object)")
		return nil
	}
	own := global.Over(entry)
	r := &rule{part: readPart(own)}
	r.Routes = own.Conditions(matcher.MATCH_ROUTE_KEY)
	r.Domains = own.Conditions(matcher.MATCH_DOMAIN_KEY)
	r.Services = own.Conditions(matcher.MATCH_SERVICE_KEY)
	r.RoutePrefixes = own.Conditions(matcher.MATCH_ROUTE_PREFIX_KEY)
	if len(r.Routes)+len(r.Domains)+len(r.Services)+len(r.RoutePrefixes) == 0 {
		own.Fail("missing condition in config (want %s, %s, %s or %s)",
			matcher.MATCH_ROUTE_KEY, matcher.MATCH_DOMAIN_KEY, matcher.MATCH_SERVICE_KEY, matcher.MATCH_ROUTE_PREFIX_KEY)
	}
	return r
}

// What rules ask about a request. Each answer costs a host call of some microseconds.

var _ rules.Request = (*requestContext)(nil)

// Authority is part of rules.Request, like the next two.
func (r *requestContext) Authority() string {
	authority, _ := abi.RequestHeader(":authority")
	return authority
}

// RouteName is the route's name.
func (r *requestContext) RouteName() string { return r.plugin.xdsProperty("xds\x00route_name") }

// Cluster is the name of the route's cluster.
func (r *requestContext) Cluster() string { return r.plugin.xdsProperty("xds\x00cluster_name") }

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
