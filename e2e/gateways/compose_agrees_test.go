package gateways_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// composeFile is what the tests read of docker-compose.yaml.
type composeFile struct {
	Services map[string]composeService
}

type composeService struct {
	Image      string
	Entrypoint string
	Command    string
	Ports      []string // "[ADDRESS:]PUBLISHED:CONTAINER"
	Volumes    []string // "FILE:PATH"
	Networks   []string
	DependsOn  []string `json:"depends_on"`
}

// published are the service's container ports and where they are on the host.
func (s composeService) published(t *testing.T) map[int]int {
	t.Helper()
	ports := map[int]int{}
	for _, mapping := range s.Ports {
		parts := strings.Split(mapping, ":")
		var host, container int
		_, err := fmt.Sscan(strings.Join(parts[len(parts)-2:], " "), &host, &container)
		if err != nil {
			t.Fatalf("port mapping %q: %v", mapping, err)
		}
		ports[container] = host
	}
	return ports
}

func TestComposeAndEnvoyAgree(t *testing.T) {
	var compose composeFile
	readYAML(t, "docker-compose.yaml", &compose)
	var bootstrap any
	readYAML(t, "envoy.yaml", &bootstrap)
	gateway := compose.Services["gateway"]

	t.Run("mounted files", func(t *testing.T) {
		want := []string{"./envoy.yaml:/etc/envoy/envoy.yaml"}
		for _, filename := range values(bootstrap, "filename") {
			want = append(want, fmt.Sprintf("./main.wasm:%v", filename))
		}
		if !slices.Equal(gateway.Volumes, want) {
			t.Errorf("mounted are %q, want %q", gateway.Volumes, want)
		}
		if want := "-c /etc/envoy/envoy.yaml --component-log-level wasm:debug"; gateway.Command != want {
			t.Errorf("the command is %q, want %q", gateway.Command, want)
		}
	})
	t.Run("ports", func(t *testing.T) {
		for _, address := range values(bootstrap, "socket_address") {
			checkAddress(t, compose, address.(map[string]any))
		}
	})
	t.Run("networks", func(t *testing.T) {
		httpbin := compose.Services["httpbin"]
		if !slices.Equal(gateway.Networks, httpbin.Networks) || !slices.Contains(gateway.DependsOn, "httpbin") {
			t.Errorf("the gateway cannot reach httpbin: %+v", compose)
		}
	})
	t.Run("cluster of the token service", func(t *testing.T) {
		var config struct {
			ServiceName string
			ServicePort int
		}
		text, _ := values(bootstrap, "configuration")[0].(map[string]any)["value"].(string)
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("outbound|%d||%s", config.ServicePort, config.ServiceName)
		if !slices.Contains(values(bootstrap, "cluster_name"), any(want)) {
			t.Errorf("there is no cluster %s", want)
		}
	})
}

// checkAddress checks that what Envoy listens on is published under the same
// number, and that what it connects to is a service of the compose file.
func checkAddress(t *testing.T, compose composeFile, address map[string]any) {
	t.Helper()
	host, _ := address["address"].(string)
	number, _ := address["port_value"].(float64)
	port := int(number)
	if host == "0.0.0.0" {
		if published := compose.Services["gateway"].published(t); published[port] != port {
			t.Errorf("the gateway's port %d is not published as such: %v", port, published)
		}
		return
	}
	if published := compose.Services[host].published(t); published[port] == 0 {
		t.Errorf("%s:%d is no service of the compose file: %v", host, port, published)
	}
}

// values are the values of a key wherever it is below node.
func values(node any, key string) []any {
	var found []any
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			found = append(found, values(item, key)...)
		}
	case map[string]any:
		for name, value := range node {
			if name == key {
				found = append(found, value)
			}
			found = append(found, values(value, key)...)
		}
	}
	return found
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(projectRoot(t), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
