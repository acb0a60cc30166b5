package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"token-fetch/internal/schema"
)

// spec is spec.yaml, with its comments.
type spec struct {
	document yaml.Node
	schema   *yaml.Node // openAPIV3Schema
}

func parseSpec(text []byte) (*spec, error) {
	s := &spec{}
	if err := yaml.Unmarshal(text, &s.document); err != nil {
		return nil, err
	}
	if len(s.document.Content) == 1 {
		s.schema = at(s.document.Content[0], "spec", "configSchema", "openAPIV3Schema")
	}
	if s.schema == nil {
		return nil, errors.New("spec.yaml has no spec.configSchema.openAPIV3Schema")
	}
	return s, nil
}

func (s *spec) text() ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err := encoder.Encode(&s.document)
	return text.Bytes(), err
}

// at is the value at a path of names; nil when there is none.
func at(node *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var found *yaml.Node
		for i := 0; node != nil && node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				found = node.Content[i+1]
			}
		}
		node = found
	}
	return node
}

// describe is what is written by hand about the key at a path such as cache.ttl or successWhen[].equals.
func (s *spec) describe(path string) (description, example string) {
	key := s.schema
	for name := range strings.SplitSeq(path, ".") {
		name, isList := strings.CutSuffix(name, "[]")
		if key = at(key, "properties", name); isList {
			key = at(key, "items")
		}
	}
	return text(key, "description"), text(key, "example")
}

func text(node *yaml.Node, name string) string {
	if found := at(node, name); found != nil {
		return found.Value
	}
	return ""
}

// setKeys writes the keys into the schema.
func (s *spec) setKeys(root *schema.Key) { setObject(s.schema, root) }

// setObject writes the keys of an object. Those that are there stay in their order, with what is written by hand; new ones
// are the last.
func setObject(node *yaml.Node, k *schema.Key) {
	setMember(node, "type", "object")
	if required := requiredKeys(k); len(required) > 0 {
		setMember(node, "required", required)
	} else {
		removeMember(node, "required")
	}
	properties := child(node, "properties")
	var names []string
	for _, inner := range k.Keys {
		names = append(names, inner.Name)
		setKey(child(properties, inner.Name), inner)
	}
	for i := len(properties.Content) - 2; i >= 0; i -= 2 {
		if name := properties.Content[i].Value; !slices.Contains(names, name) {
			removeMember(properties, name)
		}
	}
}

// types are those of JSON; a key with alternatives has none.
var types = map[schema.Kind]string{
	schema.Text: "string", schema.Integer: "integer", schema.Boolean: "boolean", schema.TextMap: "object", schema.Object: "object",
	schema.ObjectMap: "object", schema.JSONObject: "object",
	schema.TextList: "array", schema.Integers: "array", schema.Objects: "array",
}

// setKey writes what the parser knows of a key.
func setKey(node *yaml.Node, k *schema.Key) {
	text := map[string]any{"type": "string"}
	isText := k.Kind == schema.Text
	isNumber := k.Kind == schema.Integer
	setOrRemove(node, "type", types[k.Kind], types[k.Kind] != "")
	switch k.Kind {
	case schema.TextMap:
		setMissing(node, "additionalProperties", text)
	case schema.TextList:
		setMissing(node, "items", text)
	case schema.TextOrList:
		setMissing(node, "oneOf", []any{text, map[string]any{"type": "array", "items": text}})
	case schema.Integers:
		items := child(node, "items")
		setMember(items, "type", "integer")
		setMember(items, "minimum", k.Min)
		setMember(items, "maximum", k.Max)
	case schema.ObjectMap:
		setMissing(node, "additionalProperties", map[string]any{"type": "object"})
	case schema.Object:
		setObject(node, k)
	case schema.Objects:
		setObject(child(node, "items"), k)
	}
	if isText && k.Required {
		setMissing(node, "minLength", 1)
	}
	setOrRemove(node, "minimum", k.Min, isNumber)
	setOrRemove(node, "maximum", k.Max, isNumber)
	setOrRemove(node, "enum", k.OneOf, len(k.OneOf) > 0)
	setOrRemove(node, "default", k.Default, k.Default != nil)
	if at(node, "description") == nil {
		setMember(node, "description", "")
	}
}

func setOrRemove(node *yaml.Node, name string, value any, isSet bool) {
	if isSet {
		setMember(node, name, value)
	} else {
		removeMember(node, name)
	}
}

// child is the object of a name, made if it is missing.
func child(node *yaml.Node, name string) *yaml.Node {
	if found := at(node, name); found != nil {
		return found
	}
	made := &yaml.Node{Kind: yaml.MappingNode}
	insert(node, name, made)
	return made
}

func setMissing(node *yaml.Node, name string, value any) {
	if at(node, name) == nil {
		setMember(node, name, value)
	}
}

// setMember leaves a value that is the same as it is written.
func setMember(node *yaml.Node, name string, value any) {
	var made yaml.Node
	if err := made.Encode(value); err != nil {
		panic(err) // of a key's own value
	}
	found := at(node, name)
	switch {
	case found == nil:
		insert(node, name, &made)
	case !isSame(found, &made):
		made.Style |= found.Style & yaml.FlowStyle
		*found = made
	}
}

func isSame(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, isSame)
}

// insert puts a member before what is longer, or for people.
func insert(node *yaml.Node, name string, value *yaml.Node) {
	key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
	for i := 0; i < len(node.Content); i += 2 {
		if before := node.Content[i].Value; (before == "description" || before == "properties") && name != "properties" {
			node.Content = slices.Insert(node.Content, i, key, value)
			return
		}
	}
	node.Content = append(node.Content, key, value)
}

func removeMember(node *yaml.Node, name string) {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			node.Content = slices.Delete(node.Content, i, i+2)
			return
		}
	}
}
