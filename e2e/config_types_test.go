package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// jsonValues are a value of each JSON type; the object has a key that none of these keys knows.
var jsonValues = map[string]string{
	"string":  `"x"`,
	"empty":   `""`,
	"number":  `12`,
	"list":    `["x"]`,
	"lists":   `[["x"],[]]`,
	"object":  `{"unknown":{"x":1}}`,
	"objects": `[{"unknown":{"x":1}}]`,
	"bool":    `true`,
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

	"oauth2.clientId":      {"string"},
	"oauth2.clientSecret":  {"string"},
	"oauth2.authStyle":     {},
	"oauth2.grantType":     {"string"},
	"oauth2.scopes":        {"list"},
	"oauth2.resource":      {"string", "empty", "list"},
	"oauth2.params":        {},
	"cache.ttl":            {"number"},
	"cache.expiresInPath":  {"string", "empty"},
	"cache.expiresAtPath":  {"string", "empty"},
	"cache.warmUp":         {"bool"},
	"cache.invalidateOn":   {},
	"cache.invalidateWhen": {},
	"bypassMethods":        {},
	"successStatus":        {},
	"tokenCookie":          {},
	"tokenIn":              {},
	"tokenSuffix":          {"string", "empty"},
	"oauth2.audience":      {"string", "empty", "list"},
	"oauth2.allowMissing":  {"bool"},
	"cache.shared":         {"bool"},
	"failure.status":       {},
	"failure.mode":         {},
	"failure.body":         {"string", "empty"},
	"failure.headers":      {},

	"cache.ignoreCacheControl": {"bool"},
}

// typedConfig is a good configuration as JSON text in which the key, with one dot at most, has the value.
func typedConfig(key, value string) string {
	const placeholder = "the value" // encoding/json refuses to pass on what is nested too deep
	config := harness.SampleConfig()
	object, member, nested := strings.Cut(key, ".")
	switch {
	case !nested:
		config[key] = placeholder
	case object == "oauth2":
		config[object] = map[string]any{"clientId": "id", "clientSecret": "secret", member: placeholder}
	default:
		config[object] = map[string]any{member: placeholder}
	}
	data, err := json.Marshal(config)
	if err != nil {
		panic(err) // the test's own values
	}
	return strings.Replace(string(data), `"`+placeholder+`"`, value, 1)
}

// TestConfigurationTypes gives keys a value of each type. Whatever it is, the plugin must say
// what is wrong, and must not panic on it.
func TestConfigurationTypes(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.SampleConfig()})
	for _, key := range slices.Sorted(maps.Keys(rightTypes)) {
		for _, valueType := range slices.Sorted(maps.Keys(jsonValues)) {
			if slices.Contains(rightTypes[key], valueType) {
				continue
			}
			for place, config := range map[string]string{
				"global": typedConfig(key, jsonValues[valueType]),
				"rule":   inRule(typedConfig(key, jsonValues[valueType])),
			} {
				if place == "rule" && key == "_rules_" {
					continue // rules have no rules
				}
				t.Run(fmt.Sprint(key, "/", valueType, "/", place), func(t *testing.T) {
					checkNamed(t, gateway.UpdateRefused(t, config), key)
				})
			}
		}
	}
	t.Run("no rules", func(t *testing.T) { checkNoRules(t, gateway) })
}

// inRule makes a configuration the only rule of one without a global part.
func inRule(config string) string {
	return `{"_rules_":[` + strings.Replace(config, "{", `{"_match_route_":["default"],`, 1) + `]}`
}

// checkNamed checks that the plugin said why it does not start, and named the key.
func checkNamed(t *testing.T, log, key string) {
	t.Helper()
	text := startError(log)
	// In a list, the error may name the element: successWhen[0], or a key in it.
	named := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`)
	if !named.MatchString(text) || strings.Contains(log, "panic") {
		t.Errorf("Envoy logged %q, want an error that names %s\n%s", text, key, log)
	}
}

// startError is what the plugin has logged about why it does not start, "" when nothing.
func startError(log string) string {
	_, text, _ := strings.Cut(log, "the plugin does not start: ")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// checkNoRules checks that these are configurations without rules.
func checkNoRules(t *testing.T, gateway *harness.Gateway) {
	for _, rules := range []string{"null", "[]"} {
		t.Run(rules, func(t *testing.T) {
			gateway.Update(t, typedConfig("_rules_", rules))
			checkSample(t, gateway)
		})
	}
}
