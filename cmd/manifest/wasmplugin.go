package manifest

import (
	"encoding/json"
	"errors"
	"fmt"

	"token-fetch/cmd/definitions"
)

// readHigress converts in the order in which the control plane does: placeholders, pluginConfig, the global part, rules.
func (p *Plugin) readHigress() {
	spec := p.Resource.Object("spec")
	p.readEnvironment(spec)
	p.warnOfFailOpen("spec", spec, "FAIL_CLOSE")
	text, _ := json.Marshal(spec)
	p.refuse(checkPlaceholders(text)...)
	p.Secrets = placeholders(text)
	config, isGiven := spec["pluginConfig"].(map[string]any)
	if !isGiven {
		p.convertRules(spec)
		return
	}
	for _, name := range []string{"defaultConfig", "matchRules"} {
		if spec[name] != nil {
			p.warn("spec.%s is ignored, as spec.pluginConfig is there", name)
		}
	}
	p.setConfig(config)
}

// convertRules converts matchRules to _rules_, with each rule's conditions among its keys.
func (p *Plugin) convertRules(spec Resource) {
	config := Resource{}
	isDisabled := spec.IsTrue("defaultConfigDisable")
	if given := spec.Object("defaultConfig"); !isDisabled && given != nil {
		config = given
	}
	var converted []any
	for i, rule := range spec.Objects("matchRules") {
		at := fmt.Sprintf("spec.matchRules[%d]", i)
		if rule.IsTrue("configDisable") {
			p.warn("%s is dropped, as it has configDisable: its requests get the global part (to exempt them, write enabled: false into its config)", at)
			continue
		}
		converted = append(converted, p.convertRule(at, rule))
		p.Rules = append(p.Rules, at)
	}
	if len(converted) > 0 {
		config["_rules_"] = converted
	}
	if isDisabled && spec["defaultConfig"] != nil {
		p.warn("spec.defaultConfig is not used, as defaultConfigDisable is true: the rules inherit nothing")
	}
	p.Absent = isDisabled && len(converted) == 0
	p.setConfig(config)
}

// conditionKeys maps the conditions of matchRules to those of the plugin's rules.
var conditionKeys = []struct{ field, key string }{
	{"ingress", "_match_route_"}, {"service", "_match_service_"}, {"domain", "_match_domain_"},
}

func (p *Plugin) convertRule(at string, rule Resource) map[string]any {
	own := map[string]any{}
	for name, value := range rule.Object("config") {
		own[name] = value
	}
	given, hasAny := map[string]bool{}, rule == nil // its definition rejects that, and conditions of other types
	for _, condition := range conditionKeys {
		list, isList := rule[condition.field].([]any)
		hasAny = hasAny || len(list) > 0 || !isList && rule[condition.field] != nil
		if names := rule.Texts(condition.field); len(names) > 0 {
			own[condition.key] = names
			given[condition.field] = true
		}
	}
	switch {
	case !hasAny:
		p.refuse(fmt.Errorf("%s: invalid match rule has no match condition (want ingress, domain or service)", at))
	case given["ingress"] && given["domain"]:
		p.warn("%s has ingress and domain: the domain is ignored", at)
	case given["domain"] && given["service"]:
		p.warn("%s has domain and service: the service is ignored", at)
	}
	if rule.Text("routeType") == "GRPC" {
		p.warn("%s has routeType: GRPC, with which Higress replaces the route's name: the rule matches nothing", at)
	}
	return own
}

// readIstio reads a WasmPlugin, or the wasm of a TrafficExtension, whose fields have the same names.
func (p *Plugin) readIstio() {
	at, from := "spec", p.Resource.Object("spec")
	if p.Resource.Text("kind") == trafficExtension {
		at, from = "spec.wasm", from.Object("wasm")
	}
	p.readEnvironment(from)
	p.warnOfFailOpen(at, from, "FAIL_RELOAD")
	p.setConfig(from.Object("pluginConfig"))
}

func (p *Plugin) readEnvironment(from Resource) {
	for _, variable := range from.Object("vmConfig").Objects("env") {
		p.Environment = append(p.Environment, Variable{
			Name:     variable.Text("name"),
			Value:    variable.Text("value"),
			FromHost: variable.Text("valueFrom") == "HOST",
		})
	}
}

const failsOpen = "when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged"

func (p *Plugin) warnOfFailOpen(at string, from Resource, closed string) {
	if from.Text("failStrategy") == "FAIL_OPEN" {
		p.warn("%s.failStrategy is FAIL_OPEN: %s (want %s)", at, failsOpen, closed)
	}
}

// setConfig encodes the configuration. The control plane passes none if it has no keys.
func (p *Plugin) setConfig(config Resource) {
	if len(config) == 0 {
		return
	}
	data, err := json.Marshal(config)
	if err != nil {
		p.refuse(err)
	}
	p.Config = data
}

// refuse adds reasons why the control plane rejects the resource.
func (p *Plugin) refuse(errs ...error) { p.Errs = append(p.Errs, errs...) }

var (
	errNoName = errors.New("missing metadata.name")
	errNoSpec = errors.New("missing spec")
)

// checkDefinition returns what the API server would reject.
func checkDefinition(r Resource) (errs []error) {
	if r.Name() == "" && r.Object("metadata").Text("generateName") == "" {
		errs = append(errs, errNoName)
	}
	if r.Text("kind") == "WasmPlugin" && r["spec"] == nil {
		errs = append(errs, errNoSpec) // Higress' definition allows that, Higress does not
	}
	refused, _ := definitions.Known().Check(r)
	return append(errs, refused...)
}
