package definitions

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	pluginschema "token-fetch/internal/schema"
)

var wantedType = regexp.MustCompile(`must be of type (\w+): "(\w+)"`)

// typeNames are the plugin's own terms for JSON types.
var typeNames = map[string]string{
	"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object", "null": "nothing",
}

// describe rephrases an error in the plugin's own terms. It only shows values of fields that allow a few: others may be
// secret.
func describe(e *field.Error) string {
	switch e.Type {
	case field.ErrorTypeRequired:
		return "missing " + e.Field
	case field.ErrorTypeNotSupported:
		return fmt.Sprintf("invalid %s: %q (want %s)", e.Field, e.BadValue, strings.ReplaceAll(strings.TrimPrefix(e.Detail, "supported values: "), `"`, ""))
	}
	if match := wantedType.FindStringSubmatch(e.Detail); match != nil {
		hint := ""
		if match[2] == "string" && match[1] != "array" && match[1] != "object" {
			hint = ", without quotes"
		}
		return fmt.Sprintf("invalid %s: %s (want %s%s)", e.Field, typeNames[match[2]], typeNames[match[1]], hint)
	}
	return fmt.Sprintf("invalid %s: %s", e.Field, strings.TrimPrefix(e.Detail, e.Field+" in body "))
}

// unknown reports an unknown field, with the one that was probably meant, or the kind that has it.
func (s Set) unknown(kind, path string) string {
	text := fmt.Sprintf("unknown field %s of %s", path, kind)
	parent, name := "", path
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		parent, name = path[:dot], path[dot+1:]
	}
	siblings := s[kind].fieldsOf(parent)
	if nearest := pluginschema.Nearest(name, siblings, 1+len(name)/3); nearest != "" {
		return fmt.Sprintf("%s (did you mean %s?)", text, strings.TrimPrefix(parent+"."+nearest, "."))
	}
	for _, other := range slices.Sorted(maps.Keys(s)) {
		if other != kind && strings.Fields(other)[1] == strings.Fields(kind)[1] && slices.Contains(s[other].fieldsOf(parent), name) {
			return fmt.Sprintf("%s (it is one of %s)", text, other)
		}
	}
	return fmt.Sprintf("%s (want %s)", text, strings.Join(siblings, ", "))
}

// fieldsOf returns the names of the fields that the object at a path may have.
func (d *definition) fieldsOf(path string) []string {
	at := d.structural
	for _, name := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' }) {
		switch {
		case at == nil:
			return nil
		case strings.HasSuffix(name, "]"):
			at = at.Items
		default:
			at = property(at, name)
		}
	}
	if at == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(at.Properties))
}

func property(of *schema.Structural, name string) *schema.Structural {
	if found, ok := of.Properties[name]; ok {
		return &found
	}
	return nil
}
