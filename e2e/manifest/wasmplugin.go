package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The fields of the resources' spec; what is not here, the API server prunes.
const (
	commonFields  = "url sha256 imagePullPolicy imagePullSecret verificationKey pluginName phase priority failStrategy vmConfig pluginConfig "
	higressFields = commonFields + "defaultConfig defaultConfigDisable matchRules"
	istioFields   = commonFields + "selector targetRef targetRefs match type"
	ruleFields    = "ingress domain service config configDisable routeType"
)

func readHigress(r resource) *Plugin {
	p := &Plugin{Name: r.name(), Gateway: Higress}
	p.Err = p.readHigress(r)
	return p
}

// readHigress converts in the order of the control plane: placeholders, pluginConfig, the global part, the rules.
func (p *Plugin) readHigress(r resource) error {
	spec, err := p.readSpec(r, higressFields)
	if err != nil {
		return err
	}
	text, err := json.Marshal(spec.object)
	if err != nil {
		return err
	}
	if err := checkPlaceholders(text); err != nil {
		return err
	}
	p.Secrets = placeholders(text)
	config := spec.child("pluginConfig")
	if config.object == nil {
		return p.convertRules(spec)
	}
	for _, name := range []string{"defaultConfig", "matchRules"} {
		if spec.object[name] != nil {
			p.warn("spec.%s is ignored, as spec.pluginConfig is there", name)
		}
	}
	return p.setConfig(config)
}

// convertRules puts matchRules into _rules_, each with its conditions among the rule's own keys.
func (p *Plugin) convertRules(spec section) error {
	config := section{object: map[string]any{}, failure: spec.failure}
	disabled := spec.boolean("defaultConfigDisable")
	if given := spec.child("defaultConfig"); !disabled && given.object != nil {
		config.object = given.object
	}
	rules := spec.sections("matchRules")
	var converted []any
	for _, rule := range rules {
		if rule.boolean("configDisable") {
			p.warn("%s is dropped, as it has configDisable: its requests get the global part (to exempt them, write enabled: false into its config)", rule.at)
			continue
		}
		own, err := p.convertRule(rule)
		if err != nil {
			return err
		}
		converted = append(converted, own)
		p.Rules = append(p.Rules, rule.at)
	}
	if len(converted) > 0 {
		config.object["_rules_"] = converted
	}
	if disabled && spec.object["defaultConfig"] != nil {
		p.warn("spec.defaultConfig is not used, as defaultConfigDisable is true: the rules inherit nothing")
	}
	p.Absent = disabled && len(converted) == 0
	return p.setConfig(config)
}

// conditionKeys are the keys of a rule of the plugin for those of a rule of the resource.
var conditionKeys = []struct{ field, key string }{
	{"ingress", "_match_route_"}, {"service", "_match_service_"}, {"domain", "_match_domain_"},
}

func (p *Plugin) convertRule(rule section) (map[string]any, error) {
	p.warnOfUnknown(rule.at+".", rule.object, ruleFields)
	own := map[string]any{}
	for name, value := range rule.child("config").object {
		own[name] = value
	}
	given := map[string]bool{}
	for _, condition := range conditionKeys {
		if names := rule.texts(condition.field); len(names) > 0 {
			own[condition.key] = names
			given[condition.field] = true
		}
	}
	if *rule.failure != nil {
		return nil, *rule.failure
	}
	switch {
	case len(given) == 0:
		return nil, fmt.Errorf("%s: invalid match rule has no match condition (want ingress, domain or service)", rule.at)
	case given["ingress"] && given["domain"]:
		p.warn("%s has ingress and domain: the domain is ignored", rule.at)
	case given["domain"] && given["service"]:
		p.warn("%s has domain and service: the service is ignored", rule.at)
	}
	if rule.object["routeType"] == "GRPC" {
		p.warn("%s has routeType: GRPC, which Higress puts in the place of the route's name: the rule matches nothing", rule.at)
	}
	return own, nil
}

func readIstio(r resource) *Plugin {
	p := &Plugin{Name: r.name(), Gateway: Istio}
	p.Err = p.readIstio(r)
	return p
}

func (p *Plugin) readIstio(r resource) error {
	spec, err := p.readSpec(r, istioFields)
	if err != nil {
		return err
	}
	return p.setConfig(spec.child("pluginConfig"))
}

// readSpec reads what both resources have.
func (p *Plugin) readSpec(r resource, fields string) (section, error) {
	object, isObject := r["spec"].(map[string]any)
	if !isObject {
		return section{}, errNoSpec
	}
	var failure error
	spec := section{at: "spec", object: object, failure: &failure}
	p.warnOfUnknown("spec.", object, fields)
	p.checkFailStrategy(spec)
	for _, variable := range spec.child("vmConfig").sections("env") {
		p.Environment = append(p.Environment, Variable{
			Name:     variable.text("name"),
			Value:    variable.text("value"),
			FromHost: variable.text("valueFrom") == "HOST",
		})
	}
	return spec, failure
}

func (p *Plugin) checkFailStrategy(spec section) {
	strategy := spec.text("failStrategy")
	switch {
	case strategy == "FAIL_OPEN":
		p.warn("spec.failStrategy is FAIL_OPEN: when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged (want %s)", p.strategies()[0])
	case strategy != "" && !slices.Contains(p.strategies(), strategy):
		spec.fail("failStrategy", strings.Join(p.strategies(), ", ")+" or FAIL_OPEN")
	}
}

// strategies are those that fail closed, the best one first.
func (p *Plugin) strategies() []string {
	if p.Gateway == Istio {
		return []string{"FAIL_RELOAD", "FAIL_CLOSE"}
	}
	return []string{"FAIL_CLOSE"}
}

// setConfig keeps the configuration. One without any key is handed over as none at all.
func (p *Plugin) setConfig(config section) error {
	if *config.failure != nil || len(config.object) == 0 {
		return *config.failure
	}
	data, err := json.Marshal(config.object)
	p.Config = data
	return err
}
