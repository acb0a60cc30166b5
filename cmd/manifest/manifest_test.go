package manifest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

const higressHead = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {name: token-fetch, namespace: higress-system}
spec:
`

const istioHead = `apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: token-fetch, namespace: istio-ingress}
spec:
  url: oci://registry.example.com/token-fetch:1
`

const envoyGatewayHead = `apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: token-fetch}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: eg}]
`

func read(t *testing.T, text string) *manifest.File {
	t.Helper()
	file, err := manifest.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// What the plugin gets of each manifest.
func TestConfig(t *testing.T) {
	tests := map[string]struct {
		text   string
		config string
	}{
		"the plugin's own YAML":         {"a: 1\nb: [x]\n", `{"a":1,"b":["x"]}`},
		"the plugin's own JSON":         {`{"b": 1, "a": 2, "a": 3}`, `{"b": 1, "a": 2, "a": 3}`},
		"broken JSON":                   {`{"a": 1 oops`, `{"a": 1 oops`},
		"nothing":                       {"# only a comment\n", ""},
		"YAML 1.1, as Kubernetes reads": {"a: yes\nb: 010\nc: 2020-01-01\n1: x\n", `{"1":"x","a":true,"b":8,"c":"2020-01-01"}`},
		"an alias":                      {"a: &x {b: 1}\nc: *x\n", `{"a":{"b":1},"c":{"b":1}}`},
		"a long number":                 {"a: 12345678901234567890\n", `{"a":12345678901234567890}`},

		"Higress: the global part":    {higressHead + "  defaultConfig: {a: 1}\n", `{"a":1}`},
		"Higress: nothing":            {higressHead + "  url: x\n", ``},
		"Higress: an empty part":      {higressHead + "  defaultConfig: {}\n", ``},
		"Higress: rules":              {higressHead + "  defaultConfig: {a: 1}\n  matchRules:\n  - {ingress: [r], service: [s], config: {a: 2}}\n  - domain: [d]\n", `{"_rules_":[{"_match_route_":["r"],"_match_service_":["s"],"a":2},{"_match_domain_":["d"]}],"a":1}`},
		"Higress: its own rules":      {higressHead + "  defaultConfig: {_rules_: [{_match_route_prefix_: [p]}]}\n", `{"_rules_":[{"_match_route_prefix_":["p"]}]}`},
		"Higress: rules only":         {higressHead + "  defaultConfigDisable: true\n  defaultConfig: {a: 1}\n  matchRules: [{ingress: [r], config: {a: 2}}]\n", `{"_rules_":[{"_match_route_":["r"],"a":2}]}`},
		"Higress: all disabled":       {higressHead + "  defaultConfigDisable: true\n  matchRules: [{ingress: [r], configDisable: true}]\n", ``},
		"Higress: a disabled rule":    {higressHead + "  defaultConfig: {a: 1}\n  matchRules: [{configDisable: true}, {domain: [d]}]\n", `{"_rules_":[{"_match_domain_":["d"]}],"a":1}`},
		"Higress: pluginConfig wins":  {higressHead + "  pluginConfig: {b: 1}\n  defaultConfig: {a: 1}\n  matchRules: [{}]\n", `{"b":1}`},
		"Higress: empty pluginConfig": {higressHead + "  pluginConfig: {}\n  defaultConfig: {a: 1}\n", ``},

		"Istio":          {istioHead + "  pluginConfig: {a: 1}\n", `{"a":1}`},
		"Istio: nothing": {istioHead + "  defaultConfig: {a: 1}\n", ``},

		"Envoy Gateway":          {envoyGatewayHead + "  wasm:\n  - {name: x, config: {a: 1}}\n", `{"a":1}`},
		"Envoy Gateway: nothing": {envoyGatewayHead + "  wasm: [{name: x}]\n", ``},

		"Envoy: a text":        {"http_filters:\n- typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config:\n      configuration: {\"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{\"a\": 1}'}\n", `{"a": 1}`},
		"Envoy: a TypedStruct": {"\"@type\": type.googleapis.com/xds.type.v3.TypedStruct\ntype_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nvalue: {config: {configuration: {\"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{\"a\":1}'}}}\n", `{"a":1}`},
		"Envoy: bytes":         {"\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {configuration: {\"@type\": type.googleapis.com/google.protobuf.BytesValue, value: eyJhIjoxfQ==}}\n", `{"a":1}`},
		"EnvoyFilter":          {"apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec: {configPatches: [{applyTo: HTTP_FILTER, patch: {operation: INSERT_BEFORE, value: {typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {configuration: {\"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{\"a\":1}'}}}}}}]}\n", `{"a":1}`},
		"TrafficExtension":     {"apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: a}\nspec: {wasm: {url: a, pluginConfig: {a: 1}}}\n", `{"a":1}`},
		"Envoy: nothing":       {"\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {name: x}\n", ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := read(t, test.text).Plugins[0]
			if got := string(p.Config); got != test.config {
				t.Errorf("got      %s\nexpected %s", got, test.config)
			}
		})
	}
}

// What control planes refuse.
func TestRefused(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a condition that is no list": {higressHead + "  matchRules: [{ingress: r}]\n", `invalid spec.matchRules[0].ingress: a string (want a list)`},
		"a condition of numbers":      {higressHead + "  matchRules: [{ingress: [5]}]\n", `invalid spec.matchRules[0].ingress[0]: an integer (want a string)`},
		"rules that are no list":      {higressHead + "  matchRules: {}\n", `invalid spec.matchRules: an object (want a list)`},
		"a rule that is no object":    {higressHead + "  matchRules: [x]\n", `invalid spec.matchRules[0]: a string (want an object)`},
		"no spec":                     {strings.TrimSuffix(higressHead, "spec:\n"), "missing spec"},
		"an unknown strategy":         {istioHead + "  failStrategy: FAIL\n", `invalid spec.failStrategy: "FAIL" (want FAIL_CLOSE, FAIL_OPEN, FAIL_RELOAD)`},
		"one without a namespace":     {higressHead + "  defaultConfig: {a: '${secret.name.key}'}\n", "malformed placeholder ${secret.name.key}: it names no namespace (want ${secret.NAMESPACE/NAME.KEY})"},
		"one that is not closed":      {higressHead + "  defaultConfig: {a: '${secret.ns/name.key'}\n", "malformed placeholder ${secret.ns/name.key: it has no } (want ${secret.NAMESPACE/NAME.KEY})"},
		"Envoy: another message":      {"\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {configuration: {\"@type\": type.googleapis.com/google.protobuf.Int32Value, value: 1}}\n", `invalid configuration of the filter: "type.googleapis.com/google.protobuf.Int32Value" (want a google.protobuf.StringValue, whose value is the JSON as text)`},
		"Higress has no selector":     {higressHead + "  selector: {}\n", "unknown field spec.selector of extensions.higress.io/v1alpha1 WasmPlugin (it is one of extensions.istio.io/v1alpha1 WasmPlugin)"},
		"Higress' fields in Istio":    {istioHead + "  defaultConfig: {a: 1}\n  matchRules: []\n", "unknown field spec.defaultConfig of extensions.istio.io/v1alpha1 WasmPlugin (it is one of extensions.higress.io/v1alpha1 WasmPlugin)\nunknown field spec.matchRules of extensions.istio.io/v1alpha1 WasmPlugin (it is one of extensions.higress.io/v1alpha1 WasmPlugin)"},
		"two that exclude each other": {istioHead + "  targetRefs: [{kind: Gateway, name: a}]\n  selector: {matchLabels: {a: b}}\n", "invalid spec: only one of targetRefs or selector can be set"},
		"a number for a text":         {istioHead + "  vmConfig: {env: [{name: A, value: 31337}]}\n", "invalid spec.vmConfig.env[0].value: an integer (want a string)"},
		"an unknown field":            {higressHead + "  somethingElse: 1\n", "unknown field spec.somethingElse of extensions.higress.io/v1alpha1 WasmPlugin (want defaultConfig, defaultConfigDisable, failStrategy, imagePullPolicy, imagePullSecret, matchRules, phase, pluginConfig, pluginName, priority, sha256, url, verificationKey, vmConfig)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := read(t, test.text).Plugins[0]
			if got := errors.Join(p.Errs...); got == nil || got.Error() != test.want {
				t.Errorf("got      %v\nexpected %s", got, test.want)
			}
		})
	}
}

// What is allowed but probably not meant.
func TestWarnings(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing to say":           {higressHead + "  failStrategy: FAIL_CLOSE\n  defaultConfig: {a: 1}\n", ""},
		"domain and service":       {higressHead + "  matchRules: [{service: [a], domain: [b]}]\n", "spec.matchRules[0] has domain and service: the service is ignored"},
		"gRPC":                     {higressHead + "  matchRules: [{ingress: [a], routeType: GRPC}]\n", "spec.matchRules[0] has routeType: GRPC, with which Higress replaces the route's name: the rule matches nothing"},
		"pluginConfig wins":        {higressHead + "  pluginConfig: {a: 1}\n  defaultConfig: {b: 1}\n", "spec.defaultConfig is ignored, as spec.pluginConfig is there"},
		"Envoy Gateway fails open": {envoyGatewayHead + "  wasm: [{failOpen: true}]\n", "spec.wasm[0].failOpen is true: when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged"},
		"Envoy fails open":         {"\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {fail_open: true}\n", "the filter fails open: when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := read(t, test.text).Plugins[0]
			if got := strings.Join(p.Warnings, "\n"); got != test.want {
				t.Errorf("got      %s\nexpected %s", got, test.want)
			}
		})
	}
}

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

// Files of which nothing can be made.
func TestFileErrors(t *testing.T) {
	const complexKey = "not YAML that a gateway takes: a key is null, a list or a map (a value that begins with { or [ needs quotes)"
	tests := map[string]struct{ text, want string }{
		"a tab":                     {"a:\n\tb: 1\n", "not YAML: line 2: found character that cannot start any token"},
		"in the second document":    {"a: 1\n---\nb: 1\n c: 2\n", "not YAML: line 4: mapping values are not allowed in this context"},
		"a key twice, further down": {"# x\n---\nx:\n  a: 1\n  a: s3cr3t\n", "line 5: duplicate key a"},
		"a number twice":            {"0: s3cr3t\n0: s3cr3t\n", "line 2: duplicate key 0"},
		"too many documents":        {strings.Repeat("a: 1\n---\n", 1001), "the file has too many documents (want at most 1000)"},
		"a million empty ones":      {strings.Repeat("---\n", 1_000_000) + "a:\n\tb: 1\n", "not YAML: line 1000002: found character that cannot start any token"},
		"a key that is null":        {"~: s3cr3t\n", complexKey},
		"a key that is an object":   {"? {a: s3cr3t}\n: b\n", complexKey},
		"an unquoted template":      {"clientSecret: {{s3cr3t}}\n", complexKey},
		"an unquoted *":             {"clientSecret: *s3cr3t\n", "not YAML: unknown anchor (a value that begins with * needs quotes)"},
		"infinity":                  {"cache: {ttl: .inf}\n", "not YAML: json: unsupported value: +Inf"},
		"other kinds only":          {"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", "nothing in the file configures the plugin (want WasmPlugin, TrafficExtension, EnvoyFilter, or EnvoyExtensionPolicy with wasm), only Secret s"},
		"a policy without wasm":     {envoyGatewayHead + "  lua: []\n", "nothing in the file configures the plugin (want WasmPlugin, TrafficExtension, EnvoyFilter, or EnvoyExtensionPolicy with wasm), only EnvoyExtensionPolicy token-fetch"},
		"another group":             {"apiVersion: extensions.example.com/v1\nkind: WasmPlugin\n", `line 1: invalid apiVersion of WasmPlugin: "extensions.example.com/v1" (want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1)`},
		"no apiVersion":             {"\n# first\nkind: WasmPlugin\n", `line 3: invalid apiVersion of WasmPlugin: "" (want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1)`},
		"a document of no kind":     {higressHead + "  defaultConfig: {a: 1}\n---\nserviceName: x\n", "line 7: the document has no apiVersion and kind"},
		"a document that is a list": {higressHead + "  defaultConfig: {a: 1}\n---\n- x\n", "line 7: the document is not an object"},
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
