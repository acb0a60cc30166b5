package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"token-fetch/internal/schema"
)

// spec is what spec.yaml says of a key, or of the entries of its list.
type spec struct {
	Type                 string
	Minimum, Maximum     any
	Enum                 []string
	Default              any
	Required             []string
	Description          string
	Example              yaml.Node
	Properties           map[string]*spec
	Items                *spec
	AdditionalProperties *spec  `yaml:"additionalProperties"`
	OneOf                []spec `yaml:"oneOf"`
}

func parseSpec(text []byte) (*spec, error) {
	var file struct {
		Spec struct {
			ConfigSchema struct {
				OpenAPIV3Schema *spec `yaml:"openAPIV3Schema"`
			} `yaml:"configSchema"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if file.Spec.ConfigSchema.OpenAPIV3Schema == nil {
		return nil, errors.New("it has no spec.configSchema.openAPIV3Schema")
	}
	return file.Spec.ConfigSchema.OpenAPIV3Schema, nil
}

// describe returns what spec.yaml says about the key at a path such as cache.ttl or successWhen[].equals.
func (s *spec) describe(path string) (description, example string) {
	for name := range strings.SplitSeq(path, ".") {
		name, isList := strings.CutSuffix(name, "[]")
		if s = s.Properties[name]; s != nil && isList {
			s = s.Items
		}
		if s == nil {
			return "", ""
		}
	}
	return s.Description, s.Example.Value
}

// types are those of JSON; a key with alternatives has none.
var types = map[schema.Kind]string{
	schema.Text: "string", schema.Integer: "integer", schema.Boolean: "boolean", schema.TextMap: "object", schema.Object: "object",
	schema.ObjectMap: "object", schema.JSONObject: "object",
	schema.TextList: "array", schema.Integers: "array", schema.Objects: "array",
}

// checkObject compares an object with the keys that the parser reads.
func (s *spec) checkObject(path string, k *schema.Key) (errs []error) {
	declared := map[string]bool{}
	for _, inner := range k.Keys {
		declared[inner.Name] = true
		if found := s.Properties[inner.Name]; found != nil {
			errs = append(errs, found.check(path+inner.Name, inner)...)
		} else {
			errs = append(errs, fmt.Errorf("%s%s: it is missing", path, inner.Name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !declared[name] {
			errs = append(errs, fmt.Errorf("%s%s: there is no such key", path, name))
		}
	}
	if required := requiredKeys(k); fmt.Sprint(s.Required) != fmt.Sprint(required) {
		errs = append(errs, fmt.Errorf("%srequired: got %v, expected %v", path, s.Required, required))
	}
	return errs
}

func (s *spec) check(path string, k *schema.Key) (errs []error) {
	expect := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			errs = append(errs, fmt.Errorf("%s: got %s %v, expected %v", path, what, got, want))
		}
	}
	limits := func(of *spec, isNumber bool) {
		least, most := any(nil), any(nil)
		if isNumber {
			least, most = k.Min, k.Max
		}
		expect("minimum", of.Minimum, least)
		expect("maximum", of.Maximum, most)
	}
	expect("type", s.Type, types[k.Kind])
	expect("enum", s.Enum, k.OneOf)
	expect("default", s.Default, k.Default)
	limits(s, k.Kind == schema.Integer)
	if s.Description == "" {
		errs = append(errs, fmt.Errorf("%s: it has no description", path))
	}
	items := s.Items
	if items == nil {
		items = &spec{}
	}
	switch k.Kind {
	case schema.TextMap, schema.ObjectMap:
		expect("additionalProperties", s.AdditionalProperties != nil, true)
	case schema.TextList:
		expect("items of type", items.Type, "string")
	case schema.TextOrList:
		expect("alternatives", len(s.OneOf), 2)
	case schema.Integers:
		expect("items of type", items.Type, "integer")
		limits(items, true)
	case schema.Object:
		errs = append(errs, s.checkObject(path+".", k)...)
	case schema.Objects:
		errs = append(errs, items.checkObject(path+"[].", k)...)
	}
	return errs
}
