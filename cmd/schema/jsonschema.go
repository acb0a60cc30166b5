package main

import (
	"slices"

	"token-fetch/internal/config"
	"token-fetch/internal/schema"
)

// writeJSONSchema returns the JSON Schema (draft 2020-12) of a configuration with the keys of root. It checks less than the
// plugin does: most of what depends on several keys is left to the plugin.
func writeJSONSchema(root *schema.Key, d describe) ([]byte, error) {
	var definitions, references object
	for _, k := range root.Keys {
		definitions = append(definitions, member{k.Name, d.key(k, k.Name)})
		references = append(references, member{k.Name, object{{"$ref", "#/$defs/" + k.Name}}})
	}
	definitions = append(definitions, member{"rule", rule(references)}, member{"condition", condition})
	properties := append(slices.Clone(references), member{config.RulesKey, object{
		{"description", "Rules, each for the requests that match it. The first that matches wins; it inherits every key but enabled from the global part. A WasmPlugin of Higress has matchRules in its place."},
		{"type", list{"array", "null"}},
		{"items", object{{"$ref", "#/$defs/rule"}}},
	}})
	document := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$comment", "Written by make schema from the keys that the code declares and the descriptions of spec.yaml."},
		{"title", "Configuration of token-fetch"},
		{"type", "object"},
		{"properties", properties},
		gatewaysOwn,
		{"additionalProperties", false},
		{"if", object{{"not", object{{"anyOf", list{onlyRules, onlyInherited}}}}}},
		{"then", complete(root)},
		{"$defs", definitions},
	}
	return encode(document, "  ")
}

// Parts whose required keys may be missing.
var (
	onlyRules     = object{{"required", list{config.RulesKey}}, {"propertyNames", object{{"pattern", "^_"}}}}
	onlyInherited = object{{"required", list{"enabled"}}, {"properties", object{{"enabled", object{{"const", false}}}}}}
)

// gatewaysOwn matches keys that the plugin ignores.
var gatewaysOwn = member{"patternProperties", object{{"^_", true}}}

// complete requires the keys, not empty, of a part that inherits nothing.
func complete(root *schema.Key) object {
	required, alternatives, properties := list{}, list{}, object{}
	for _, k := range root.Keys {
		switch {
		case k.Required && len(k.Unless) > 0:
			either := list{object{{"required", list{k.Name}}, {"properties", object{{k.Name, object{{"minLength", 1}}}}}}}
			for _, other := range k.Unless {
				either = append(either, object{{"required", list{other}}})
			}
			alternatives = append(alternatives, object{{"anyOf", either}})
		case k.Required:
			required = append(required, k.Name)
			properties = append(properties, member{k.Name, object{{"type", "string"}, {"minLength", 1}}})
		case k.Kind == schema.Object:
			if whole := completeObject(k); len(whole) > 0 {
				properties = append(properties, member{k.Name, whole})
			}
		}
	}
	whole := object{{"required", required}, {"properties", properties}}
	if len(alternatives) > 0 {
		whole = append(whole, member{"allOf", alternatives})
	}
	return whole
}

// neededBy lists keys that are required by some values of another key of the same object.
var neededBy = []struct {
	key, other string
	values     list // nil: the other key is absent
}{
	{"clientId", "authStyle", list{"header", "body", "client_secret_jwt", "private_key_jwt", nil}},
	{"clientSecret", "authStyle", list{"header", "body", "client_secret_jwt", nil}},
	{"privateKey", "authStyle", list{"private_key_jwt"}},
}

func completeObject(k *schema.Key) object {
	var whole object
	if required := requiredKeys(k); len(required) > 0 {
		whole = append(whole, member{"required", required})
	}
	var rules list
	for _, n := range neededBy {
		has := func(name string) bool {
			return slices.ContainsFunc(k.Keys, func(inner *schema.Key) bool { return inner.Name == name && !inner.Required })
		}
		if !has(n.key) || !has(n.other) {
			continue
		}
		given := object{{"properties", object{{n.other, object{{"enum", n.values}}}}}}
		if !slices.Contains(n.values, nil) {
			given = append(given, member{"required", list{n.other}})
		}
		rules = append(rules, object{{"if", given}, {"then", object{{"required", list{n.key}}}}})
	}
	if len(rules) > 0 {
		whole = append(whole, member{"allOf", rules})
	}
	return whole
}

func requiredKeys(k *schema.Key) list {
	var names list
	for _, inner := range k.Keys {
		if inner.Required && len(inner.Unless) == 0 {
			names = append(names, inner.Name)
		}
	}
	return names
}

// condition is the schema of a rule's condition.
var condition = object{
	{"type", list{"string", "array", "null"}},
	{"minLength", 1},
	{"items", object{{"type", "string"}, {"minLength", 1}}},
}

// conditions are the keys of a rule that select requests.
var conditions = []struct{ name, description string }{
	{config.RouteKey, "Names of routes."},
	{config.DomainKey, "Hosts, exact or with * at one end."},
	{config.ServiceKey, "FQDNs of upstream services, with or without a port."},
	{config.RoutePrefixKey, "What names of routes begin with."},
}

// rule requires a condition only, as rules inherit everything else.
func rule(keys object) object {
	properties, needed := slices.Clone(keys), list{}
	for _, c := range conditions {
		properties = append(properties, member{c.name, object{{"description", c.description}, {"$ref", "#/$defs/condition"}}})
		needed = append(needed, object{
			{"required", list{c.name}},
			{"properties", object{{c.name, object{{"type", list{"string", "array"}}, {"minItems", 1}}}}},
		})
	}
	return object{
		{"type", "object"},
		{"properties", properties},
		gatewaysOwn,
		{"additionalProperties", false},
		{"anyOf", needed},
	}
}
