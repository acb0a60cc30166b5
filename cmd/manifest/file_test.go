package manifest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

func TestFileWithSeveralDocuments(t *testing.T) {
	file := read(t, "---\n# a Secret\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\n---\n"+higressHead+"  defaultConfig: {a: 1}\n--- # the next\n"+
		"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: x}\n- "+strings.ReplaceAll(strings.TrimSpace(istioHead), "\n", "\n  ")+"\n    pluginConfig: {b: 1}\n---\n")
	var names []string
	for _, p := range file.Plugins {
		names = append(names, fmt.Sprintf("%s: %s %s", p.Gateway, p.Name, p.Config))
	}
	want := []string{`Higress: WasmPlugin higress-system/token-fetch {"a":1}`, `Istio: WasmPlugin istio-ingress/token-fetch {"b":1}`}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, expected %q", names, want)
	}
	if want := []string{"Secret default/s", "Service x"}; !slices.Equal(file.Ignored, want) {
		t.Errorf("ignored: got %q, expected %q", file.Ignored, want)
	}
}

func TestRulesOfTheManifest(t *testing.T) {
	p := read(t, higressHead+"  matchRules: [{ingress: [a]}, {ingress: [b], configDisable: true}, {ingress: [c]}]\n").Plugins[0]
	if want := []string{"spec.matchRules[0]", "spec.matchRules[2]"}; !slices.Equal(p.Rules, want) {
		t.Errorf("got %q, expected %q", p.Rules, want)
	}
}

func TestAbsentPlugin(t *testing.T) {
	for text, want := range map[string]bool{
		"  defaultConfigDisable: true\n": true,
		"  defaultConfigDisable: true\n  matchRules: [{ingress: [a], configDisable: true}]\n": true,
		"  defaultConfigDisable: true\n  matchRules: [{ingress: [a]}]\n":                      false,
		"  defaultConfigDisable: true\n  pluginConfig: {a: 1}\n":                              false,
		"  defaultConfig: {a: 1}\n":                                                           false,
	} {
		if p := read(t, higressHead+text).Plugins[0]; p.Absent != want {
			t.Errorf("%s: got %v, expected %v", text, p.Absent, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	const variables = "  vmConfig: {env: [{name: A, value: x}, {name: B, valueFrom: INLINE, value: z}, {name: C, valueFrom: HOST}]}\n"
	const filter = "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {vm_config: {environment_variables: {host_env_keys: [C], key_values: {A: x}}}}\n"
	for text, want := range map[string]string{
		higressHead + variables: "[{A x false} {B z false} {C  true}]",
		istioHead + variables:   "[{A x false} {B z false} {C  true}]",
		envoyGatewayHead + "  wasm: [{env: {hostKeys: [A, C]}}]\n": "[{A  true} {C  true}]",
		filter: "[{A x false} {C  true}]",
	} {
		if got := fmt.Sprint(read(t, text).Plugins[0].Environment); got != want {
			t.Errorf("%s: got %s, expected %s", text, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	text := "{a: '${secret.ns/name.key}', b: 'x ${secret.ns/name.key} ${secret.ns/name.other-key.pem} ${NAME}'}"
	want := []string{"${secret.ns/name.key}", "${secret.ns/name.other-key.pem}"}
	for name, head := range map[string]string{"Higress": higressHead + "  defaultConfig: ", "the plugin's own": ""} {
		if got := read(t, head+text).Plugins[0].Secrets; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
	if got := read(t, istioHead+"  pluginConfig: "+text).Plugins[0].Secrets; got != nil {
		t.Errorf("Istio: got %q, expected none: nobody replaces them", got)
	}
}

func TestClustersOfEnvoy(t *testing.T) {
	const filter = "filter: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {}}\n"
	for text, want := range map[string][]string{
		filter: nil,
		filter + "static_resources: {clusters: [{name: a}, {name: b}]}\n":                                  {"a", "b"},
		filter + "static_resources: {}\n":                                                                  {},
		filter + "static_resources: {clusters: [{name: a}]}\ndynamic_resources: {cds_config: {path: x}}\n": nil,
	} {
		if got := read(t, text).Clusters; !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: got %q, expected %q", text, got, want)
		}
	}
}

// Files of which nothing can be made.
func TestFileErrors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"not YAML":                  {"a: 1\nb: [1\nc: 2\n", "not YAML: line 2: did not find expected ',' or ']'"},
		"a tab":                     {"a:\n\tb: 1\n", "not YAML: line 2: found character that cannot start any token"},
		"in the second document":    {"a: 1\n---\nb: 1\n c: 2\n", "not YAML: line 4: mapping values are not allowed in this context"},
		"UTF-16":                    {"\xff\xfea\x00:\x00", "the file is UTF-16, or no text (want UTF-8, for example by iconv -f UTF-16 -t UTF-8, or Out-File -Encoding utf8 in PowerShell)"},
		"UTF-16 without a mark":     {"a\x00:\x00", "the file is UTF-16, or no text (want UTF-8, for example by iconv -f UTF-16 -t UTF-8, or Out-File -Encoding utf8 in PowerShell)"},
		"Latin-1":                   {"a: \xe9\n", "the file is not UTF-8 (want UTF-8, for example by iconv -f ISO-8859-1 -t UTF-8)"},
		"a key twice":               {"a: 1\nb: s3cr3t\na: s3cr3t\n", "line 3: duplicate key a"},
		"a key twice, further down": {"# x\n---\nx:\n  a: 1\n  a: s3cr3t\n", "line 5: duplicate key a"},
		"a number twice":            {"0: s3cr3t\n0: s3cr3t\n", "line 2: duplicate key 0"},
		"aliases by the billion":    {bomb(), "not YAML that a gateway takes: its aliases expand to too much"},
		"an alias of nothing":       {"a: *b\n", "not YAML: unknown anchor 'b' referenced"},
		"too large":                 {strings.Repeat("# comment\n", manifest.MaxBytes/10+1), "the file is too large (want at most 4 MiB)"},
		"too many documents":        {strings.Repeat("a: 1\n---\n", 1001), "the file has too many documents (want at most 1000)"},
		"other kinds only":          {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", "nothing in the file configures the plugin (want WasmPlugin, TrafficExtension, EnvoyFilter, or EnvoyExtensionPolicy with wasm), only Secret s"},
		"a policy without wasm":     {envoyGatewayHead + "  lua: []\n", "nothing in the file configures the plugin (want WasmPlugin, TrafficExtension, EnvoyFilter, or EnvoyExtensionPolicy with wasm), only EnvoyExtensionPolicy token-fetch"},
		"another group":             {"apiVersion: extensions.example.com/v1\nkind: WasmPlugin\n", `line 1: invalid apiVersion of WasmPlugin: "extensions.example.com/v1" (want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1)`},
		"no apiVersion":             {"\n# first\nkind: WasmPlugin\n", `line 3: invalid apiVersion of WasmPlugin: "" (want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1)`},
		"a document of no kind":     {higressHead + "  defaultConfig: {a: 1}\n---\nserviceName: x\n", "line 7: the document has no apiVersion and kind"},
		"a document that is a list": {higressHead + "  defaultConfig: {a: 1}\n---\n- x\n", "line 7: the document is not an object"},
		"Envoy without the plugin":  {"static_resources: {}\n", "line 1: there is no Wasm filter in Envoy's configuration"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Read([]byte(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("got      %v\nexpected %s", err, test.want)
			}
		})
	}
}

// bomb is a YAML of some hundred bytes that expands to gigabytes.
func bomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Join(slices.Repeat([]string{alias}, 10), ", "))
	}
	return text
}
