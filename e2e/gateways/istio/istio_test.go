//go:build istio

// Package istio_test runs deploy/istio.yaml with the real parts of Istio: its discovery, which reads the resources
// from the test, its pilot-agent, which fetches the image, and an Envoy. All of it is on loopback. Building it takes
// minutes, hence the tag: make test-istio.
package istio_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/cmd/definitions"
	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

const (
	startLimit  = 3 * time.Minute // most of it V8's, which compiles the plugin
	updateLimit = time.Minute
)

func TestManifest(t *testing.T) {
	m := newMesh(t)
	gateway := m.start(t)
	for host, want := range map[string]string{
		"orders.example.com":  "Bearer " + provider.Token("orders.read"),
		"partner.example.com": "Bearer " + provider.Token("orders.read partners.read"),
		"public.example.com":  "forged", // an exempted request is left alone
	} {
		if got := gateway.get(t, host); got.Err != nil || got.Status != http.StatusOK || got.Body != want {
			t.Errorf("%s: got %+v, expected 200 and the token %q", host, got, want)
		}
	}
}

// Ten configurations and an image are changed under load. No request fails, or is forwarded with a
// token that belongs to no configuration.
func TestChangesUnderLoad(t *testing.T) {
	const (
		host    = "orders.example.com"
		rate    = 100 // requests/s
		changes = 10
	)
	m := newMesh(t)
	gateway := m.start(t)
	stop, loaded := make(chan struct{}), make(chan []harness.Result, 1)
	go func() {
		loaded <- harness.LoadUntil(stop, rate, func(int) harness.Result { return gateway.get(t, host) })
	}()
	tokens := []string{"Bearer " + provider.Token("orders.read")}
	var slowest time.Duration
	for i := range changes {
		scope := fmt.Sprint("generation-", i)
		tokens = append(tokens, "Bearer "+provider.Token(scope))
		m.setScope(scope)
		m.control.update(t, m.plugin)
		slowest = max(slowest, await(t, updateLimit, "the gateway works by the changed configuration", func() bool {
			return gateway.get(t, host).Body == tokens[len(tokens)-1]
		}))
	}

	const started = "starts with 2 rules"
	before := gateway.logged(started)
	m.push(t, "1.0.1", customSection("changed"))
	m.control.update(t, m.plugin)
	const vms = 3 // two workers' and that of the main thread, which tries the configuration first; all but one say so at level debug
	image := await(t, updateLimit, "the new image has started in every worker", func() bool { return gateway.logged(started) >= before+vms })
	time.Sleep(2 * time.Second) // for requests that only the new image serves

	close(stop)
	answers := <-loaded
	for _, got := range answers {
		if got.Err != nil || got.Status != http.StatusOK || !slices.Contains(tokens, got.Body) {
			t.Errorf("got %+v, expected 200 and a token of one of the configurations", got)
		}
	}
	t.Logf("%d changed configurations, each at work after %s or less, and an image, after %s, during %d requests",
		changes, slowest.Round(10*time.Millisecond), image.Round(100*time.Millisecond), len(answers))
}

// get sends a request with a forged token. The upstream answers with the one that it receives.
func (a *agent) get(t *testing.T, host string) harness.Result {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url, nil)
	if err != nil {
		return harness.Result{Err: err}
	}
	request.Host = host
	request.Header.Set("Authorization", "forged")
	return harness.SendTimed(http.DefaultClient, request)
}

// await returns after how long a condition held.
func await(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	harness.Eventually(t, limit, func() error {
		if !holds() {
			return errors.New("not yet: " + what)
		}
		return nil
	})
	return time.Since(began)
}

// mesh is what the gateway finds around it.
type mesh struct {
	control   *discovery
	plugin    map[string]any   // the WasmPlugin, as it was applied last
	resources []map[string]any // all, the plugin included
	registry  string           // host and port
	port      int              // of the gateway
}

// newMesh reads deploy/istio.yaml and points it at loopback: nothing else of it is changed.
func newMesh(t *testing.T) *mesh {
	t.Helper()
	identityProvider := provider.Start(t)
	m := &mesh{registry: provider.StartRegistry(t), port: harness.FreePorts(t, 1)[0]}
	m.resources = append(readManifest(t), readYAML(t, []byte(fmt.Sprintf(routes, m.port, provider.StartUpstream(t))))...)
	for _, resource := range m.resources {
		switch spec := resource["spec"].(map[string]any); {
		case resource["kind"] == "WasmPlugin":
			m.plugin = resource
		case resource["kind"] == "DestinationRule":
			spec["trafficPolicy"].(map[string]any)["tls"].(map[string]any)["caCertificates"] = identityProvider.CAFile
		case resource["kind"] == "ServiceEntry" && spec["endpoints"] == nil:
			spec["endpoints"] = []any{map[string]any{"address": "127.0.0.1", "ports": map[string]any{"http": identityProvider.Port}}}
		}
	}
	m.push(t, "1.0.0", nil)
	return m
}

// routes lead from the gateway to the upstream.
const routes = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-ingress}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: %d, name: http, protocol: HTTP}
    bind: 127.0.0.1
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: upstream, namespace: istio-ingress}
spec:
  hosts: ["*"]
  gateways: [gateway]
  http:
  - route:
    - destination: {host: upstream.example.com, port: {number: 80}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: upstream, namespace: istio-ingress}
spec:
  hosts: [upstream.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
`

// start runs the control plane and the gateway, and returns when the gateway gives tokens.
func (m *mesh) start(t *testing.T) *agent {
	t.Helper()
	m.control = startDiscovery(t, m.resources)
	gateway := startAgent(t, m.control.port, m.port)
	took := await(t, startLimit, "the gateway forwards requests with a token", func() bool {
		return strings.HasPrefix(gateway.get(t, "orders.example.com").Body, "Bearer ")
	})
	t.Logf("the gateway gives tokens %s after its start", took.Round(100*time.Millisecond))
	return gateway
}

// push puts an image into the registry and its address into the WasmPlugin. More is appended to the module.
func (m *mesh) push(t *testing.T, version string, more []byte) {
	t.Helper()
	folder, module := t.TempDir(), harness.ReadProjectFile(t, "main.wasm")
	if err := os.WriteFile(filepath.Join(folder, "plugin.wasm"), append(module, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	image := m.registry + "/gateway/token-fetch:" + version
	push := exec.Command("make", "-C", harness.Root(t), "push", "MODULE="+filepath.Join(folder, "plugin.wasm"), "IMAGE="+image, "BUILD="+folder)
	if output, err := push.CombinedOutput(); err != nil {
		t.Fatalf("make push: %v\n%s", err, output)
	}
	m.plugin["spec"].(map[string]any)["url"] = "oci://" + image
}

// setScope changes what the plugin asks tokens for.
func (m *mesh) setScope(scope string) {
	config := m.plugin["spec"].(map[string]any)["pluginConfig"].(map[string]any)
	config["oauth2"].(map[string]any)["scopes"] = []any{scope}
}

// customSection makes a module another one, without a change of what it does.
func customSection(name string) []byte {
	return append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)
}

func readManifest(t *testing.T) []map[string]any {
	t.Helper()
	return readYAML(t, harness.ReadProjectFile(t, "deploy", "istio.yaml"))
}

func readYAML(t *testing.T, data []byte) []map[string]any {
	t.Helper()
	resources, err := definitions.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return resources
}
