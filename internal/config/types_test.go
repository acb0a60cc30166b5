package config

import (
	"regexp"
	"strings"
	"testing"

	"token-fetch/internal/schema"
)

// jsonValues are a value of each JSON type; the object has a key that none of these keys knows.
var jsonValues = map[string]string{
	"string": `"x"`, "number": `12`, "bool": `true`, "list": `["x"]`, "lists": `[["x"],[]]`,
	"object": `{"unknown":{"x":1}}`, "objects": `[{"unknown":{"x":1}}]`,
}

// rightTypes are those of a kind of key that are no error, at least not of the type.
var rightTypes = map[schema.Kind]string{
	schema.Text: "string", schema.Integer: "number", schema.Boolean: "bool", schema.TextList: "list", schema.TextOrList: "string list", schema.JSONObject: "object",
}

// Whatever the type of a key's value is, the error names the key: in the global part, and in a rule.
func TestValuesOfAnotherType(t *testing.T) {
	check := func(key, config, value string) {
		// In a list, the error may name the element, successWhen[0], or a key in it.
		named := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`)
		for place, config := range map[string]string{
			"global part": config, "rule": `{"_rules_": [` + strings.Replace(config, "{", `{"_match_route_": ["default"], `, 1) + `]}`,
		} {
			if _, err := parse(config); !named.MatchString(errorText(err)) {
				t.Errorf("%s in the %s is %s: got %q, expected an error that names it", key, place, value, errorText(err))
			}
		}
	}
	for _, k := range Root.Keys {
		for name, value := range jsonValues {
			if !strings.Contains(rightTypes[k.Kind], name) {
				check(k.Name, extended(`"`+k.Name+`": `+value), value)
			}
			if k.Kind != schema.Object {
				continue
			}
			for _, inner := range k.Keys {
				object := `"` + k.Name + `": {"` + inner.Name + `": ` + value + `}`
				config := extended(object)
				if k.Name == "jwt" { // which goes with no token service
					config = `{"tokenHeader": "X-Token", ` + object + `}`
				}
				if !strings.Contains(rightTypes[inner.Kind], name) {
					check(k.Name+"."+inner.Name, config, value)
				}
			}
		}
	}
	for name, value := range jsonValues {
		if _, err := parse(extended(`"_rules_": ` + value)); !strings.Contains(errorText(err), RulesKey) {
			t.Errorf("rules of type %s: got %v, expected an error that names them", name, err)
		}
	}
}
