package config

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jsonValues are a value of each JSON type; the object has a key that none of these keys knows.
var jsonValues = map[string]string{
	"string": `"x"`, "empty": `""`, "number": `12`, "list": `["x"]`, "lists": `[["x"],[]]`,
	"object": `{"unknown":{"x":1}}`, "objects": `[{"unknown":{"x":1}}]`, "bool": `true`,
}

// rightTypes are, for each key, the values of jsonValues that are no error of their type.
var rightTypes = map[string][]string{
	"oauth2":          {},
	"cache":           {},
	"failure":         {},
	"successWhen":     {},
	"upstreamHeaders": {},
	"requestHeaders":  {},
	"forwardHeaders":  {"list"},
	"serviceCluster":  {"empty"}, // a text stands beside the sample's serviceName
	"_rules_":         {},

	"oauth2.clientId":     {"string"},
	"oauth2.clientSecret": {"string"},
	"oauth2.authStyle":    {},
	"oauth2.grantType":    {"string"},
	"oauth2.scopes":       {"list"},
	"oauth2.resource":     {"string", "empty", "list"},
	"oauth2.params":       {},
	"cache.ttl":           {"number"},
	"cache.expiresInPath": {"string"},
	"cache.expiresAtPath": {"string"},
	"cache.warmUp":        {"bool"},
	"cache.invalidateOn":  {},
	"cache.shared":        {"bool"},
	"failure.status":      {},
	"failure.mode":        {},
	"failure.body":        {"string", "empty"},
	"failure.headers":     {},

	"cache.ignoreCacheControl": {"bool"},
	"cache.invalidateWhen":     {},
	"bypassMethods":            {},
	"successStatus":            {},
	"tokenCookie":              {},
	"tokenIn":                  {},
	"tokenSuffix":              {"string", "empty"},
	"oauth2.audience":          {"string", "empty", "list"},
	"oauth2.allowMissing":      {"bool"},
}

// typedConfig is the sample's configuration in which the key, with one dot at most, has the value.
func typedConfig(t *testing.T, key, value string) string {
	t.Helper()
	object, member, nested := strings.Cut(key, ".")
	inside := map[string]any{member: json.RawMessage(value)}
	switch {
	case !nested:
		return extended(`"` + key + `": ` + value)
	case object == "oauth2":
		maps.Copy(inside, map[string]any{"clientId": "id", "clientSecret": "secret"})
		inside[member] = json.RawMessage(value)
	}
	data, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	return extended(`"` + object + `": ` + string(data))
}

// Whatever the type of a key's value is, the error names the key: in the global part, and in a rule.
func TestValuesOfAnotherType(t *testing.T) {
	for _, key := range slices.Sorted(maps.Keys(rightTypes)) {
		// In a list, the error may name the element, successWhen[0], or a key in it.
		named := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`)
		for name, value := range jsonValues {
			config := typedConfig(t, key, value)
			places := map[string]string{"global part": config}
			if key != RulesKey {
				places["rule"] = `{"_rules_": [` + strings.Replace(config, "{", `{"_match_route_": ["default"], `, 1) + `]}`
			}
			for place, config := range places {
				_, err := parse(config)
				switch wrong := !slices.Contains(rightTypes[key], name); {
				case wrong && !named.MatchString(errorText(err)):
					t.Errorf("%s in the %s is of type %s: got %q, expected an error that names it", key, place, name, errorText(err))
				case !wrong && err != nil:
					t.Errorf("%s in the %s is of type %s: got %q, expected none", key, place, name, err)
				}
			}
		}
	}
}
