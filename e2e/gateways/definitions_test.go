package gateways_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"token-fetch/cmd/definitions"
	"token-fetch/e2e/harness"
)

// Where the definitions are published. Istio's module is in go.mod; Envoy Gateway's is only
// downloaded, because its requirements conflict with Istio's.
const (
	istioAPI     = "istio.io/api"
	envoyGateway = "github.com/envoyproxy/gateway@v1.9.1"
)

// published are the definitions of all gateways that deploy/ has a manifest for.
func published(t *testing.T) definitions.Set {
	t.Helper()
	istio, gateway := moduleFolder(t, istioAPI), moduleFolder(t, envoyGateway)
	files := []string{
		filepath.Join(harness.Root(t), "cmd", "definitions", "higress.yaml"),
		filepath.Join(istio, "kubernetes", "customresourcedefinitions.gen.yaml"),
		filepath.Join(gateway, "charts", "gateway-crds-helm", "templates", "standard-gatewayapi-crds.yaml"),
	}
	generated, err := filepath.Glob(filepath.Join(gateway, "charts", "gateway-crds-helm", "templates", "generated", "*.yaml"))
	if err != nil || len(generated) == 0 {
		t.Fatalf("%s: got no definitions, expected some (%v)", envoyGateway, err)
	}
	set := definitions.Set{}
	for _, file := range append(files, generated...) {
		if err := set.Add(file); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

// moduleFolder is where the files of a module are: of go.mod by its path alone, another one with its version.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Stderr = os.Stderr
	output, err := command.Output()
	var downloaded struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(output, &downloaded); err != nil || jsonErr != nil {
		t.Fatalf("go mod download %s: %v %s", module, err, downloaded.Error)
	}
	return downloaded.Dir
}

// resources are those of a file of deploy/.
func resources(t *testing.T, file string) []map[string]any {
	t.Helper()
	found, err := definitions.Read(harness.ReadProjectFile(t, "deploy", file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return found
}

// manifests are the files of deploy/ that are applied with kubectl.
var manifests = []string{"higress.yaml", "istio.yaml", "envoy-gateway.yaml"}

func TestManifestsAreWhatTheDefinitionsAllow(t *testing.T) {
	set := published(t)
	for _, file := range manifests {
		t.Run(file, func(t *testing.T) {
			for _, resource := range resources(t, file) {
				if err := check(set, resource); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// check also knows the Secret, which is no custom resource.
func check(set definitions.Set, resource map[string]any) error {
	if resource["apiVersion"] != "v1" || resource["kind"] != "Secret" {
		return refused(set, resource)
	}
	data, err := json.Marshal(resource)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(data, new(corev1.Secret))
}

// refused joins all errors of a custom resource.
func refused(set definitions.Set, resource map[string]any) error {
	errs, isKnown := set.Check(resource)
	if !isKnown {
		return fmt.Errorf("%v %v: no definition of it", resource["apiVersion"], resource["kind"])
	}
	return errors.Join(errs...)
}

// builtIn are the definitions that make check has, but for Higress', which no module has.
var builtIn = map[string][]string{
	"istio.yaml":         {"WasmPlugin", "TrafficExtension", "EnvoyFilter"},
	"envoy-gateway.yaml": {"EnvoyExtensionPolicy"},
}

// The built-in definitions are the published ones without the descriptions; DEFINITIONS=write updates them.
func TestBuiltInDefinitionsArePublished(t *testing.T) {
	files := map[string]string{
		"istio.yaml": filepath.Join(moduleFolder(t, istioAPI), "kubernetes", "customresourcedefinitions.gen.yaml"),
		"envoy-gateway.yaml": filepath.Join(moduleFolder(t, envoyGateway), "charts", "gateway-crds-helm", "templates", "generated",
			"gateway.envoyproxy.io_envoyextensionpolicies.yaml"),
	}
	for name, kinds := range builtIn {
		path := filepath.Join(harness.Root(t), "cmd", "definitions", name)
		want := withoutDescriptions(t, files[name], kinds)
		if os.Getenv("DEFINITIONS") == "write" {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("cmd/definitions/%s is not what is published (%v): DEFINITIONS=write go test -run %s", name, err, t.Name())
		}
	}
}

// withoutDescriptions writes the definitions of some kinds in YAML, each on its document.
func withoutDescriptions(t *testing.T, path string, kinds []string) []byte {
	t.Helper()
	resources, err := definitions.Read(readFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	for _, resource := range resources {
		spec, _ := resource["spec"].(map[string]any)
		names, _ := spec["names"].(map[string]any)
		if kind, _ := names["kind"].(string); !slices.Contains(kinds, kind) {
			continue
		}
		delete(resource, "metadata")
		resource["spec"] = prune(spec)
		text, err := yaml.Marshal(resource)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, text)
	}
	if len(kept) != len(kinds) {
		t.Fatalf("%s: got %d definitions, expected %v", path, len(kept), kinds)
	}
	return append([]byte("# Written by TestBuiltInDefinitionsArePublished, from what is published.\n"), bytes.Join(kept, []byte("---\n"))...)
}

// prune removes descriptions and printer columns.
func prune(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = prune(value[i])
		}
	case map[string]any:
		for name, member := range value {
			_, isText := member.(string)
			if name == "description" && isText || name == "additionalPrinterColumns" {
				delete(value, name)
				continue
			}
			value[name] = prune(member)
		}
	}
	return value
}
