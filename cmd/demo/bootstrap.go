package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pluginConfig matches the plugin's configuration in envoy.yaml.
var pluginConfig = regexp.MustCompile(`value: \|\n( {22}.*\n)+`)

// writeBootstrap writes a copy of envoy.yaml with local ports and the local path of the plugin instead of those in the
// containers of docker-compose.yaml.
func (o options) writeBootstrap(path string) error {
	data, err := os.ReadFile(filepath.Join(o.root, "envoy.yaml"))
	if err != nil {
		return err
	}
	wasm, err := filepath.Abs(o.wasm())
	if err != nil {
		return err
	}
	local := func(port int) string { return fmt.Sprintf("address: 127.0.0.1, port_value: %d", port) }
	text := string(data)
	for _, r := range []struct{ inContainer, here string }{
		{"address: 0.0.0.0, port_value: 10000", local(o.gatewayPort)},
		{"address: 0.0.0.0, port_value: 9901", local(o.adminPort)},
		{"address: httpbin, port_value: 80", local(o.httpbinPort)},
		{"filename: /etc/envoy/main.wasm", "filename: " + strconv.Quote(wasm)},
	} {
		if !strings.Contains(text, r.inContainer) { // an edited envoy.yaml
			return fmt.Errorf("envoy.yaml no longer has %q, which the demo replaces", r.inContainer)
		}
		text = strings.ReplaceAll(text, r.inContainer, r.here)
	}
	if o.config != "" {
		text = pluginConfig.ReplaceAllLiteralString(text, "value: "+strconv.Quote(o.config)+"\n")
	}
	return os.WriteFile(path, []byte(text), 0o600)
}
