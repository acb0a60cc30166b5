package manifest_test

import (
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

// Whatever a file has, it is read or refused in one line.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"a: 1\n", `{"a": 1}`, `{"a": 1`, "---\n---\n- a\n", "a: &x {b: *x}\n", bomb(),
		higressHead + "  defaultConfig: {a: '${secret.ns/n.k}'}\n  matchRules:\n  - {ingress: [a], domain: [b], config: {c: 1}}\n",
		istioHead + "  pluginConfig: {a: 1}\n  vmConfig: {env: [{name: A, valueFrom: HOST}]}\n",
		envoyGatewayHead + "  wasm: [{config: {a: 1}, env: {hostKeys: [A]}}]\n",
		"\"@type\": x/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {configuration: {\"@type\": x/google.protobuf.Struct, value: {a: 1}}}\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := manifest.Read([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("got an error of several lines: %q", err)
			}
			return
		}
		if len(file.Plugins) == 0 {
			t.Error("got neither a configuration nor an error")
		}
		for _, p := range file.Plugins {
			for _, err := range p.Errs {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got an error of several lines: %q", p.Name, err)
				}
			}
		}
	})
}
