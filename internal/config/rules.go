package config

import (
	"fmt"

	"github.com/tidwall/gjson"

	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
)

// rules reads _rules_. A rule's object holds its conditions along with its keys, and inherits the global part.
func (r *reader) rules(listed gjson.Result, global schema.Section) []Rule {
	if !listed.IsArray() {
		global.Fail("invalid %s in config (want a list of rules)", RulesKey)
		return nil
	}
	var read []Rule
	for i, entry := range listed.Array() {
		read = append(read, r.rule(entry, global.InRule(fmt.Sprintf("%s[%d]", RulesKey, i))))
	}
	if len(read) == 0 && !global.HasOwnKeys() {
		global.Fail("invalid %s in config: it has no rules and there is no global part (want at least one of them)", RulesKey)
	}
	return read
}

func (r *reader) rule(entry gjson.Result, global schema.Section) Rule {
	if !entry.IsObject() {
		global.Fail("invalid %s in config (want an object)", "rule")
		return Rule{}
	}
	own := global.Override(entry)
	read := Rule{Part: r.part(own, r.define(own, r.tokens))}
	read.Routes = own.Conditions(RouteKey)
	read.Domains = own.Conditions(DomainKey)
	for _, domain := range read.Domains {
		if !rules.IsDomain(domain) {
			own.InvalidCondition(DomainKey, domain, rules.DomainWanted)
		}
	}
	read.Services = own.Conditions(ServiceKey)
	read.RoutePrefixes = own.Conditions(RoutePrefixKey)
	if len(read.Routes)+len(read.Domains)+len(read.Services)+len(read.RoutePrefixes) == 0 {
		own.Fail("missing %s in config (want %s, %s, %s or %s)", "condition",
			RouteKey, DomainKey, ServiceKey, RoutePrefixKey)
	}
	return read
}
