package main

import (
	"fmt"
	"maps"

	"token-fetch/internal/schema"
)

// describe returns the description and, if there is one, the example in spec.yaml of a key at a path such as cache.ttl.
type describe func(path string) (description, example string)

// key returns the schema of a key's value. null counts as absent everywhere.
func (d describe) key(k *schema.Key, path string) object {
	s := d.value(k, path)
	description, example := d(path)
	s["description"] = description
	if k.Default != nil {
		s["default"] = k.Default
	}
	if example != "" {
		s["examples"] = list{example}
	}
	return s
}

// Keys whose values are not just what their kind allows.
const (
	lenientPort = "servicePort"          // as in the guide's sample: 0 for the default, and a number in quotes
	sources     = "upstreamHeaders"      // values say where to find them in the response
	compared    = "successWhen[].equals" // a number or a boolean is taken as its text
	rejected    = "cache.invalidateWhen[].equals"
)

func (d describe) value(k *schema.Key, path string) object {
	text, optionalObject := object{"type": "string"}, list{"object", "null"}
	switch path {
	case lenientPort:
		return object{"type": list{"integer", "string", "null"}, "minimum": 0, "maximum": k.Max, "pattern": "^[0-9]+$"}
	case sources:
		return object{"type": optionalObject, "additionalProperties": object{"type": list{"string", "null"}, "pattern": `^(header|body):.|\$\{`}}
	case compared, rejected:
		return object{"type": list{"string", "number", "boolean", "array"}, "items": object{"type": list{"string", "number", "boolean"}}, "minItems": 1}
	}
	switch k.Kind {
	case schema.Text:
		return oneOf(k)
	case schema.Integer:
		return object{"type": list{"integer", "null"}, "minimum": k.Min, "maximum": k.Max}
	case schema.Boolean:
		return object{"type": list{"boolean", "null"}}
	case schema.TextMap:
		return object{"type": optionalObject, "additionalProperties": object{"type": list{"string", "null"}}}
	case schema.TextList:
		return object{"type": list{"array", "null"}, "items": text}
	case schema.TextOrList:
		return object{"type": list{"string", "array", "null"}, "items": text}
	case schema.Object:
		return d.members(k, path+".", optionalObject)
	case schema.JSONObject:
		return object{"type": optionalObject}
	case schema.ObjectMap: // its keys exist at the top level, too
		return object{"type": optionalObject, "propertyNames": object{"pattern": "^[A-Za-z0-9_-]+$"},
			"additionalProperties": object{"type": optionalObject, "properties": references(k), "additionalProperties": false}}
	case schema.Integers:
		return object{"type": list{"array", "null"}, "items": object{"type": "integer", "minimum": k.Min, "maximum": k.Max}}
	case schema.Objects:
		entry := d.members(k, path+"[].", list{"object"})
		if required := requiredKeys(k); len(required) > 0 {
			entry["required"] = required
		}
		maps.Copy(entry, entries[path])
		return object{"type": list{"array", "null"}, "items": entry}
	}
	panic(fmt.Sprintf("%s: cmd/schema does not know how %q looks in JSON Schema", path, k.Kind))
}

// entries holds further conditions on the entries of lists.
var entries = map[string]object{
	"cache.invalidateWhen": {"minProperties": 1},
	"refusedWhen": {"anyOf": list{object{"required": list{"status"}}, object{"required": list{"header", "equals"}}, object{"required": list{"path", "equals"}}},
		"not": object{"required": list{"header", "path"}}},
	"successWhen": {"oneOf": list{object{"required": list{"header"}}, object{"required": list{"path"}}}},
}

// oneOf allows the key's values, or a variable, whose value is not known.
func oneOf(k *schema.Key) object {
	s := object{"type": list{"string", "null"}}
	if len(k.OneOf) > 0 {
		values := list{}
		for _, value := range k.OneOf {
			values = append(values, value)
		}
		s["anyOf"] = list{object{"enum": append(values, nil)}, object{"pattern": `\$\{`}}
	}
	return s
}

// members returns the schema of an object with declared keys.
func (d describe) members(k *schema.Key, prefix string, types list) object {
	properties := object{}
	for _, inner := range k.Keys {
		properties[inner.Name] = d.key(inner, prefix+inner.Name)
	}
	return object{"type": types, "properties": properties, "additionalProperties": false}
}
