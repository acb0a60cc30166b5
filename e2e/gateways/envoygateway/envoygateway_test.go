//go:build envoygateway

// Package envoygateway_test runs deploy/envoy-gateway.yaml with the real Envoy Gateway and the Envoy that it starts.
// Building it takes minutes, hence the tag: make test-envoy-gateway. The ports of Envoy Gateway (18000 to 18002, 8081,
// 19000 and 19001) must be free; it listens on them, and its Envoy on the Gateway's, on all addresses of the machine.
//
// Only references to Kubernetes and to the outside world are replaced: see replace.
package envoygateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"text/template"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4" // the API server's own

	"token-fetch/cmd/definitions"
	"token-fetch/e2e/envoy"
	"token-fetch/e2e/gateways/commands"
	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

// startLimit is most of it V8's, which compiles the plugin.
const startLimit = 3 * time.Minute

func TestManifest(t *testing.T) {
	g := newGateway(t)
	g.start(t)
	provider.CheckTokens(t, g.url())
	// The route that makes the identity provider's cluster leads no client there.
	if got := g.status(t, "token-fetch.invalid"); got != http.StatusForbidden {
		t.Errorf("a client's request to the identity provider: got status %d, expected %d", got, http.StatusForbidden)
	}
}

// gateway is an Envoy Gateway and what it finds around it. The fields that are exported are for the templates of testdata.
type gateway struct {
	provider *provider.Provider
	image    string
	env      []string // of Envoy

	Folder             string // of all that Envoy Gateway writes
	Port, UpstreamPort int
	Certificates       string // folder of those that Envoy Gateway has made
	Resources          string // file
	ProviderCA         string // PEM
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	// Not t.TempDir: sockets in it must have short paths.
	folder, err := os.MkdirTemp("", "eg")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	g := &gateway{
		Folder: folder, provider: provider.Start(t), image: push(t),
		Port: harness.FreePorts(t, 1)[0], UpstreamPort: provider.StartUpstream(t),
		Certificates: filepath.Join(folder, "certs"), Resources: filepath.Join(folder, "resources.yaml"),
	}
	ca, err := os.ReadFile(g.provider.CAFile)
	must(t, err)
	g.ProviderCA = string(ca)
	return g
}

// push puts the image into a registry of the test's own, as a user does, and returns its name.
func push(t *testing.T) (image string) {
	t.Helper()
	module := harness.Wasm(t)
	image = provider.StartRegistry(t) + "/gateway/token-fetch:1.0.0"
	run(t, "make", "-C", filepath.Dir(module), "push", "MODULE="+module, "IMAGE="+image, "BUILD="+t.TempDir())
	return image
}

// start runs Envoy Gateway until the test ends, and returns when its Envoy forwards requests.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	program := os.Getenv("ENVOY_GATEWAY")
	if program == "" {
		t.Fatal("ENVOY_GATEWAY and ENVOY_VERSION are missing: run make test-envoy-gateway")
	}
	run(t, program, "certgen", "--local", "--config-home", g.Folder)
	g.placeEnvoy(t)
	must(t, os.WriteFile(g.Resources, g.resources(t), 0o600))
	config := filepath.Join(g.Folder, "envoy-gateway.yaml")
	must(t, os.WriteFile(config, g.render(t, "config.yaml"), 0o600))

	output, err := os.Create(filepath.Join(g.Folder, "log"))
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "server", "--config-path", config)
	command.Env = append(append(os.Environ(), "HOME="+g.Folder), g.env...) // it keeps plugins below HOME
	command.Stdout, command.Stderr = output, output
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // it ends Envoy as well
	command.WaitDelay = 10 * time.Second
	must(t, command.Start())
	t.Cleanup(func() {
		cancel()
		_ = command.Wait()
		if text, err := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("the log of Envoy Gateway and Envoy (%v):\n%s", err, text)
		}
	})
	began := time.Now()
	harness.Eventually(t, startLimit, func() error {
		if got := g.status(t, "orders.example.com"); got != http.StatusOK {
			return fmt.Errorf("got status %d, expected %d", got, http.StatusOK)
		}
		return nil
	})
	t.Logf("the gateway forwards requests %s after its start", time.Since(began).Round(100*time.Millisecond))
}

// placeEnvoy puts the version that the test's EnvoyProxy names where Envoy Gateway looks before it downloads one.
func (g *gateway) placeEnvoy(t *testing.T) {
	t.Helper()
	version := os.Getenv("ENVOY_VERSION")
	binary, err := envoy.Install(t.Context(), harness.Root(t), version, func(message string) { t.Log(message) })
	must(t, err)
	folder := filepath.Join(g.Folder, "envoy-versions", version, "bin")
	must(t, os.MkdirAll(folder, 0o750))
	must(t, os.Symlink(binary, filepath.Join(folder, "envoy")))
}

// resources are those of the manifest and of the cluster that it is applied to, with the Gateway as changed by the
// manifest's command.
func (g *gateway) resources(t *testing.T) []byte {
	t.Helper()
	manifest, err := definitions.Read(harness.ReadProjectFile(t, "deploy", "envoy-gateway.yaml"))
	must(t, err)
	for _, resource := range manifest {
		g.replace(resource)
	}
	if len(g.env) == 0 {
		t.Fatal("got no environment from the EnvoyProxy, expected the secret in it")
	}
	cluster, err := definitions.Read(g.render(t, "cluster.yaml"))
	must(t, err)
	var all bytes.Buffer
	for _, resource := range append(manifest, cluster...) {
		data, err := json.Marshal(resource)
		must(t, err)
		if resource["kind"] == "Gateway" {
			patch, err := jsonpatch.DecodePatch([]byte(commands.In(t, "envoy-gateway.yaml", commands.Patch)[0][2]))
			must(t, err)
			data, err = patch.Apply(data)
			must(t, err)
		}
		fmt.Fprintf(&all, "---\n%s\n", data)
	}
	return all.Bytes()
}

// replace changes what can't work without Kubernetes and a network: the pods, whose environment becomes that of
// the process; the address of the identity provider, its root certificate, and the name of the image.
func (g *gateway) replace(resource map[string]any) {
	spec, _ := resource["spec"].(map[string]any)
	switch resource["kind"] {
	case "EnvoyProxy":
		pods := spec["provider"].(map[string]any)["kubernetes"].(map[string]any)["envoyDeployment"].(map[string]any)
		for _, variable := range pods["container"].(map[string]any)["env"].([]any) {
			g.env = append(g.env, variable.(map[string]any)["name"].(string)+"="+provider.Secret)
		}
		spec["provider"] = map[string]any{"type": "Host", "host": map[string]any{"envoyVersion": os.Getenv("ENVOY_VERSION")}}
	case "Backend":
		spec["endpoints"] = []any{map[string]any{"ip": map[string]any{"address": "127.0.0.1", "port": g.provider.Port}}}
	case "BackendTLSPolicy":
		validation := spec["validation"].(map[string]any)
		delete(validation, "wellKnownCACertificates")
		validation["caCertificateRefs"] = []any{map[string]any{"group": "", "kind": "ConfigMap", "name": "idp-ca"}}
	case "EnvoyExtensionPolicy":
		plugin := spec["wasm"].([]any)[0].(map[string]any)
		plugin["code"].(map[string]any)["image"].(map[string]any)["url"] = g.image
	}
}

// render fills a template of testdata in.
func (g *gateway) render(t *testing.T, file string) []byte {
	t.Helper()
	parsed, err := template.New(file).Funcs(template.FuncMap{
		"read": func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(g.Certificates, name)) },
		"json": func(value any) (string, error) { data, err := json.Marshal(value); return string(data), err },
	}).ParseFiles(filepath.Join("testdata", file))
	must(t, err)
	var text bytes.Buffer
	must(t, parsed.Execute(&text, g))
	return text.Bytes()
}

func (g *gateway) url() string { return fmt.Sprintf("http://127.0.0.1:%d", g.Port) }

// status returns the status of the answer to a request, 0 if there was none.
func (g *gateway) status(t *testing.T, host string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url(), nil)
	must(t, err)
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	if output, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, arguments, err, output)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
