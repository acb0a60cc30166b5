package config

import (
	"fmt"

	"github.com/tidwall/gjson"

	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
)

// readRules reads _rules_: each rule has its conditions among its keys, and
// inherits the global part.
func readRules(listed gjson.Result, global schema.Section, has Features) []Rule {
	if !listed.IsArray() {
		global.Fail("invalid %s in config (want a list of rules)", RulesKey)
		return nil
	}
	var read []Rule
	for i, entry := range listed.Array() {
		read = append(read, readRule(entry, global.Named(fmt.Sprintf("%s[%d]", RulesKey, i)), has))
	}
	if len(read) == 0 && !global.HasOwnKeys() {
		global.Fail("invalid %s in config: it has no rules and there is no global part (want at least one of them)", RulesKey)
	}
	return read
}

func readRule(entry gjson.Result, global schema.Section, has Features) Rule {
	if !entry.IsObject() {
		global.Fail("invalid %s in config (want an object)", "rule")
		return Rule{}
	}
	own := global.Over(entry)
	r := Rule{Part: readPart(own, has)}
	r.Routes = own.Conditions(RouteKey)
	r.Domains = own.Conditions(DomainKey)
	for _, domain := range r.Domains {
		if !rules.IsDomain(domain) {
			own.InvalidCondition(DomainKey, domain, rules.DomainWanted)
		}
	}
	r.Services = own.Conditions(ServiceKey)
	r.RoutePrefixes = own.Conditions(RoutePrefixKey)
	if len(r.Routes)+len(r.Domains)+len(r.Services)+len(r.RoutePrefixes) == 0 {
		own.Fail("missing %s in config (want %s, %s, %s or %s)", "condition",
			RouteKey, DomainKey, ServiceKey, RoutePrefixKey)
	}
	return r
}
