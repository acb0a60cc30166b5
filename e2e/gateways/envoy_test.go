package gateways_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"token-fetch/e2e/envoy"
	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

// envoyFiles are the files in deploy/ that Envoy runs unchanged.
var envoyFiles = []string{"envoy.yaml", "envoy-upstream.yaml"}

// The files run with nothing changed but addresses, ports and the names of files.
func TestEnvoyFiles(t *testing.T) {
	for _, file := range envoyFiles {
		t.Run(file, func(t *testing.T) { testEnvoyFile(t, file) })
	}
}

func testEnvoyFile(t *testing.T, file string) {
	t.Helper()
	identityProvider := provider.Start(t)
	root := harness.Root(t)
	var bootstrap map[string]any
	if err := yaml.UnmarshalStrict(harness.ReadProjectFile(t, "deploy", file), &bootstrap); err != nil {
		t.Fatal(err)
	}
	replaced := replaceAddresses(bootstrap, map[string]int{
		"127.0.0.1:9901":          0,
		"0.0.0.0:10000":           0,
		"upstream.example.com:80": provider.StartUpstream(t),
		provider.Host + ":443":    identityProvider.Port,
	}, map[string]string{
		"/etc/envoy/main.wasm":               filepath.Join(root, "main.wasm"),
		"/etc/ssl/certs/ca-certificates.crt": identityProvider.CAFile,
	})
	if replaced != 6 {
		t.Errorf("got %d addresses and files in it that this test knows, expected 6", replaced)
	}
	path := filepath.Join(t.TempDir(), "envoy.json")
	data, err := json.Marshal(bootstrap)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary, err := envoy.Find(root, func(message string) { t.Log(message) })
	if err != nil {
		t.Fatal(err)
	}
	process, err := envoy.Start(envoy.Options{
		Binary: binary, Config: path, WasmLog: "info", Ready: 3 * time.Minute,
		ExtraEnv: []string{"TOKEN_FETCH_CLIENT_SECRET=" + provider.Secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(); err != nil || t.Failed() {
			t.Logf("Envoy ended with error %v; its log:\n%s", err, process.LogTail(60))
		}
	})
	address, err := process.ListenerAddress("gateway")
	if err != nil {
		t.Fatal(err)
	}
	provider.CheckTokens(t, "http://"+address)
}

// replaceAddresses replaces addresses, given as host:port with the port to use, by loopback, and the named files by
// others. It returns the number of replacements.
func replaceAddresses(node any, ports map[string]int, files map[string]string) (replaced int) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			replaced += replaceAddresses(item, ports, files)
		}
	case map[string]any:
		if name, isText := node["filename"].(string); isText && files[name] != "" {
			node["filename"] = files[name]
			replaced++
		}
		if host, isText := node["address"].(string); isText {
			number, _ := node["port_value"].(float64)
			if port, known := ports[net.JoinHostPort(host, strconv.Itoa(int(number)))]; known {
				node["address"], node["port_value"] = "127.0.0.1", port
				replaced++
			}
		}
		for _, value := range node {
			replaced += replaceAddresses(value, ports, files)
		}
	}
	return replaced
}
