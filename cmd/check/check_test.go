package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The output for accepted files; testdata has each file with its output.
func TestTakenFiles(t *testing.T) {
	t.Setenv("SET_HERE", "s3cr3t")
	paths, err := filepath.Glob("testdata/taken/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got no files (%v), expected some", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			printed, ok := checkFile(t, path)
			if !ok || printed != string(want) {
				t.Errorf("taken: %v, got\n%s\nexpected\n%s", ok, printed, want)
			}
			if strings.Contains(printed, "s3cr3t") {
				t.Errorf("a secret is shown:\n%s", printed)
			}
		})
	}
}

// One wrong configuration among good ones makes the file one that is not taken.
func TestOneOfTwo(t *testing.T) {
	const good = `apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: good}
spec: {url: "oci://registry.example.com/p:1", pluginConfig: {serviceName: a.example.com, requestPath: /, tokenHeader: X-Token}}
---
`
	path := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(path, []byte(good+strings.Replace(good, "tokenHeader", "tokenHeadr", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	printed, ok := checkFile(t, path)
	if ok || !strings.Contains(printed, "good: the gateway takes it") || !strings.Contains(printed, "unknown key tokenHeadr") {
		t.Errorf("taken: %v, got %s", ok, printed)
	}
}

// What depends on a value that is not known here is not checked, and that is said.
func TestValuesThatAreNotKnownHere(t *testing.T) {
	config := "serviceName: a.dns\nrequestPath: /\ntokenHeader: X-Token\nfailure: {mode: '${MODE}'}\n"
	const want = "failure.mode is not checked: the value of ${MODE} is not known here"
	if printed, ok := checkInput(t, config, "-"); !ok || !strings.Contains(printed, want) {
		t.Errorf("taken: %v, got %s", ok, printed)
	}
	t.Setenv("MODE", "allow")
	if printed, ok := checkInput(t, config, "-"); !ok || strings.Contains(printed, want) {
		t.Errorf("with the variable: taken: %v, got %s", ok, printed)
	}
	t.Setenv("MODE", "s3cr3t")
	if printed, ok := checkInput(t, config, "-"); ok || strings.Contains(printed, "s3cr3t") {
		t.Errorf("with a wrong value: taken: %v, got %s", ok, printed)
	}
}

// A private key of the gateway's own can't be read here, nor is a secret as long as it will be.
func TestKeysThatAreNotKnownHere(t *testing.T) {
	for _, oauth2 := range []string{
		`authStyle: private_key_jwt, privateKey: "${secret.default/idp.key}", signingAlgorithm: ES384`, `authStyle: client_secret_jwt, clientSecret: "${secret.default/idp.key}"`,
	} {
		manifest := `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {name: a, namespace: higress-system}
spec: {defaultConfig: {serviceName: a.dns, requestPath: /, oauth2: {clientId: a, ` + oauth2 + `}, cache: {redis: {serviceName: redis.dns, encryptionKey: "${secret.default/idp.key}"}}}}
`
		printed, ok := checkInput(t, manifest, "-")
		for _, want := range []string{"outbound|6379||redis.dns", "cache.redis needs main-redis.wasm, which only Higress loads", "is not checked: the value of ${secret.default/idp.key} is not known here"} {
			if !ok || !strings.Contains(printed, want) {
				t.Errorf("%s: taken: %v, got %s\nexpected %s", oauth2, ok, printed, want)
			}
		}
	}
}

// All that is wrong is told at once: of the resource, of each rule, and of what the file refers to.
func TestAllErrorsAtOnce(t *testing.T) {
	const manifest = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: {name: a, namespace: default}
spec:
  phase: authn
  priority: "10"
  defaultConfig: {serviceName: a.dns, requestPath: /, timeout: "2000"}
  matchRules:
  - {ingress: [default/a], configDisable: true}
  - {config: {tokenHeadr: X}}
`
	const want = `standard input: WasmPlugin default/a: the gateway does not take it
  invalid spec.phase: "authn" (want UNSPECIFIED_PHASE, AUTHN, AUTHZ, STATS)
  invalid spec.priority: a string (want an integer, without quotes)
  spec.matchRules[1]: invalid match rule has no match condition (want ingress, domain or service)
  invalid metadata.namespace: "default" (want higress-system, the namespace of Higress' controller, which reads no other; if yours is another one, make check HIGRESS_NAMESPACE=…)
  the plugin does not start: missing tokenHeader in config
  the plugin does not start: invalid timeout in config: "2000" (want 1 to 60000, without quotes)
  the plugin does not start: _rules_[0]: unknown key tokenHeadr in config (did you mean tokenHeader?) [_rules_[0] is spec.matchRules[1]]
  the plugin does not start: _rules_[0]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_) [_rules_[0] is spec.matchRules[1]]
  warnings:
    spec.matchRules[0] is dropped, as it has configDisable: its requests get the global part (to exempt them, write enabled: false into its config)
`
	if printed, ok := checkInput(t, manifest, "-"); ok || printed != want {
		t.Errorf("taken: %v, got\n%s\nexpected\n%s", ok, printed, want)
	}
	var many strings.Builder
	for i := range 30 {
		fmt.Fprintf(&many, "unknown%d: 1\n", i)
	}
	if printed, ok := checkInput(t, many.String(), "-"); ok || strings.Count(printed, "\n") != 22 || !strings.HasSuffix(printed, "there are more errors\n") {
		t.Errorf("taken: %v, got\n%s", ok, printed)
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\nc 世"); got != "a�[2Jb�c 世" {
		t.Errorf("got %q", got)
	}
}
