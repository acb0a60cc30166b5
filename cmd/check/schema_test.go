package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"token-fetch/cmd/manifest"
	pluginconfig "token-fetch/internal/config"
)

func configSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join(projectRoot, "docs", "config.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, config []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// An editor must not mark what the plugin takes.
func TestSchemaTakesWhatIsWritten(t *testing.T) {
	schema := configSchema(t)
	configurations := writtenConfigurations(t)
	for _, path := range []string{"own.yaml", "oauth2.yaml", "higress.yaml", "envoy-gateway.yaml", "envoy.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata/taken", path))
		if err != nil {
			t.Fatal(err)
		}
		configurations = append(configurations, written{path, string(text)})
	}
	for _, w := range configurations {
		for _, config := range loaded(t, w.text) {
			if err := validate(t, schema, config); err != nil {
				t.Errorf("%s: %v", w.name, err)
			}
		}
	}
}

// What the plugin takes although it is unusual: from the guide's sample, and by the environment.
func TestSchemaTakesWhatThePluginTakes(t *testing.T) {
	const good = `"serviceName": "a.dns", "requestPath": "/", "tokenHeader": "X-Token"`
	tests := map[string]string{
		"a port in quotes":            `{` + good + `, "servicePort": "8080"}`,
		"port 0":                      `{` + good + `, "servicePort": 0}`,
		"a whole number with a point": `{` + good + `, "timeout": 500.0}`,
		"null":                        `{` + good + `, "timeout": null, "cache": null, "requestMethod": null, "requestHeaders": {"a": null}}`,
		"a method by a variable":      `{` + good + `, "requestMethod": "${METHOD}"}`,
		"the gateway's own keys":      `{` + good + `, "_plugin_id_": "x"}`,
		"a resource, a list of them":  `{` + good + `, "oauth2": {"clientId": "a", "clientSecret": "b", "resource": ["a", "b"]}}`,
		"a number to equal":           `{` + good + `, "successWhen": [{"path": "code", "equals": 0}, {"header": "a", "equals": ["x", true]}]}`,
		"oauth2 without a header":     `{"serviceName": "a.dns", "requestPath": "/", "oauth2": {"clientId": "a", "clientSecret": "b"}}`,
		"only what rules inherit":     `{"enabled": false, "serviceName": "a.dns", "oauth2": {"clientId": "a"}, "_rules_": [{"_match_route_": "a", "requestPath": "/", "oauth2": {"clientSecret": "b"}}]}`,
		"rules only":                  `{"_rules_": [{"_match_domain_": ["a"], "enabled": false}]}`,
	}
	schema := configSchema(t)
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := pluginconfig.Parse([]byte(config), func(string) (string, bool) { return "PUT", true }, pluginconfig.Features{}); err != nil {
				t.Fatalf("the plugin does not take it: %v", err)
			}
			if err := validate(t, schema, []byte(config)); err != nil {
				t.Errorf("the schema does not take it: %v", err)
			}
		})
	}
}

// The schema refuses what it can know. A file that it takes says nothing of it, so that no one believes it knows more.
func TestSchemaRefusesBrokenFiles(t *testing.T) {
	schema := configSchema(t)
	refused := 0
	for _, f := range brokenFiles(t) {
		text, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := manifest.Read(text)
		if err != nil || file.Plugins[0].Gateway != manifest.AnyGateway || !strings.HasSuffix(f.path, ".yaml") {
			continue // an editor checks the plugin's own configuration
		}
		err = validate(t, schema, file.Plugins[0].Config)
		if (err != nil) != f.schemaRefuses {
			t.Errorf("%s: got %v, expected a refusal: %v", f.path, err, f.schemaRefuses)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 30 {
		t.Errorf("got %d refusals, expected at least 30", refused)
	}
}
