package gateways_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

// configured reads the one plugin that a file of deploy/ configures, as the plugin gets it.
func configured(t *testing.T, file string) (config string, environment map[string]string) {
	t.Helper()
	read, err := manifest.Read(harness.ReadProjectFile(t, "deploy", file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(read.Plugins) != 1 {
		t.Fatalf("%s: got %d configurations of the plugin, expected 1", file, len(read.Plugins))
	}
	plugin := read.Plugins[0]
	if len(plugin.Errs)+len(plugin.Warnings) > 0 {
		t.Errorf("%s: got the errors %v and the warnings %q, expected none", file, plugin.Errs, plugin.Warnings)
	}
	config, environment = string(plugin.Config), map[string]string{}
	for _, secret := range plugin.Secrets {
		config = strings.ReplaceAll(config, secret, provider.Secret)
	}
	for _, variable := range plugin.Environment {
		environment[variable.Name] = variable.Value
		if variable.FromHost {
			environment[variable.Name] = provider.Secret
		}
	}
	return config, environment
}

// The built plugin starts with what each gateway makes of its file.
func TestPluginStartsWithEveryFile(t *testing.T) {
	configs, environment := map[string]string{}, map[string]string{}
	for _, file := range append(envoyFiles, manifests...) {
		config, variables := configured(t, file)
		configs[file] = config
		maps.Copy(environment, variables)
	}
	gateway := harness.Start(t, harness.Options{Config: configs["envoy.yaml"], Env: environment, WasmLog: "info"})
	for _, file := range manifests {
		t.Run(file, func(t *testing.T) { gateway.Update(t, configs[file]) })
	}
	if want := "version " + version(t) + " starts with 2 rules"; !gateway.LogContains(want) {
		t.Errorf("got no line %q in the log, expected one", want)
	}
}

func TestMakeCheckTakesEveryFile(t *testing.T) {
	for _, file := range append(envoyFiles, manifests...) {
		if got := runMake(t, harness.Root(t), "check", "CONFIG=deploy/"+file); !strings.Contains(got, ": the gateway takes it") {
			t.Errorf("%s: got\n%s\nexpected that the gateway takes it", file, got)
		}
	}
}

// The files say the same, as far as their gateways allow: who moves from one to another finds his way.
func TestFilesAgree(t *testing.T) {
	want, _ := configured(t, "istio.yaml")
	for _, file := range append([]string{"higress.yaml", "envoy-gateway.yaml"}, envoyFiles...) {
		got, _ := configured(t, file)
		if a, b := shared(t, want), shared(t, got); a != b {
			t.Errorf("%s: got %s, expected that of istio.yaml: %s", file, b, a)
		}
	}
}

// shared is a configuration without what each gateway has its own way for: the service's name, the secret's, and
// the conditions of rules.
func shared(t *testing.T, config string) string {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(config), &values); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"serviceName", "servicePort", "serviceCluster", "serviceHost"} {
		delete(values, key)
	}
	delete(values["oauth2"].(map[string]any), "clientSecret")
	for _, rule := range values["_rules_"].([]any) {
		maps.DeleteFunc(rule.(map[string]any), func(key string, _ any) bool { return strings.HasPrefix(key, "_match_") })
	}
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
