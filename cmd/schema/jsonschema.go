package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"token-fetch/internal/config"
	"token-fetch/internal/schema"
)

type (
	object = map[string]any
	list   = []any
)

// writeJSONSchema returns the JSON Schema (draft 2020-12) of a configuration with the keys of root. It checks less than the
// plugin does: most of what depends on several keys is left to the plugin.
func writeJSONSchema(root *schema.Key, d describe) ([]byte, error) {
	definitions := object{"rule": rule(root), "condition": condition}
	for _, k := range root.Keys {
		definitions[k.Name] = d.key(k, k.Name)
	}
	properties := references(root)
	properties[config.RulesKey] = object{
		"description": "Rules, each for the requests that match it. The first that matches wins; it inherits every key but enabled from the global part. A WasmPlugin of Higress has matchRules in its place.",
		"type":        list{"array", "null"},
		"items":       object{"$ref": "#/$defs/rule"},
	}
	document := object{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"$comment":             "Written by make schema from the keys that the code declares and the descriptions of spec.yaml.",
		"title":                "Configuration of token-fetch",
		"type":                 "object",
		"properties":           properties,
		"patternProperties":    gatewaysOwn,
		"additionalProperties": false,
		"if":                   object{"not": object{"anyOf": list{onlyRules, onlyInherited}}},
		"then":                 complete(root),
		"$defs":                definitions,
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	return text.Bytes(), err
}

// references returns the properties of an object whose keys have definitions.
func references(k *schema.Key) object {
	properties := object{}
	for _, inner := range k.Keys {
		properties[inner.Name] = object{"$ref": "#/$defs/" + inner.Name}
	}
	return properties
}

// Parts whose required keys may be missing.
var (
	onlyRules     = object{"required": list{config.RulesKey}, "propertyNames": object{"pattern": "^_"}}
	onlyInherited = object{"required": list{"enabled"}, "properties": object{"enabled": object{"const": false}}}
)

// gatewaysOwn matches keys that the plugin ignores.
var gatewaysOwn = object{"^_": true}

// complete requires the keys, not empty, of a part that inherits nothing.
func complete(root *schema.Key) object {
	required, alternatives, properties := list{}, list{}, object{}
	for _, k := range root.Keys {
		switch {
		case k.Required && len(k.Unless) > 0:
			either := list{object{"required": list{k.Name}, "properties": object{k.Name: object{"minLength": 1}}}}
			for _, other := range k.Unless {
				either = append(either, object{"required": list{other}})
			}
			alternatives = append(alternatives, object{"anyOf": either})
		case k.Required:
			required = append(required, k.Name)
			properties[k.Name] = object{"type": "string", "minLength": 1}
		case k.Kind == schema.Object:
			if whole := completeObject(k); len(whole) > 0 {
				properties[k.Name] = whole
			}
		}
	}
	whole := object{"required": required, "properties": properties}
	if len(alternatives) > 0 {
		whole["allOf"] = alternatives
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
	whole := object{}
	if required := requiredKeys(k); len(required) > 0 {
		whole["required"] = required
	}
	var rules list
	for _, n := range neededBy {
		has := func(name string) bool {
			return slices.ContainsFunc(k.Keys, func(inner *schema.Key) bool { return inner.Name == name && !inner.Required })
		}
		if !has(n.key) || !has(n.other) {
			continue
		}
		given := object{"properties": object{n.other: object{"enum": n.values}}}
		if !slices.Contains(n.values, nil) {
			given["required"] = list{n.other}
		}
		rules = append(rules, object{"if": given, "then": object{"required": list{n.key}}})
	}
	if len(rules) > 0 {
		whole["allOf"] = rules
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
	"type":      list{"string", "array", "null"},
	"minLength": 1,
	"items":     object{"type": "string", "minLength": 1},
}

// conditions are the keys of a rule that select requests, with their descriptions.
var conditions = map[string]string{
	config.RouteKey:       "Names of routes.",
	config.DomainKey:      "Hosts, exact or with * at one end.",
	config.ServiceKey:     "FQDNs of upstream services, with or without a port.",
	config.RoutePrefixKey: "What names of routes begin with.",
}

// rule requires a condition only, as rules inherit everything else.
func rule(root *schema.Key) object {
	properties, needed := references(root), list{}
	for _, name := range slices.Sorted(maps.Keys(conditions)) {
		properties[name] = object{"description": conditions[name], "$ref": "#/$defs/condition"}
		needed = append(needed, object{
			"required":   list{name},
			"properties": object{name: object{"type": list{"string", "array"}, "minItems": 1}},
		})
	}
	return object{"type": "object", "properties": properties, "patternProperties": gatewaysOwn, "additionalProperties": false, "anyOf": needed}
}
