package main

import (
	"errors"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// socket is an address and port in envoy.yaml.
type socket struct {
	address string
	port    int
}

// The addresses and the path that envoy.yaml has for the containers of docker-compose.yaml.
var (
	gatewaySocket = socket{"0.0.0.0", 10000}
	adminSocket   = socket{"0.0.0.0", 9901}
	httpbinSocket = socket{"httpbin", 80}
)

const containerWasm = "/etc/envoy/main.wasm"

// writeBootstrap writes the envoy.yaml of the root folder with this machine's
// addresses, ports and path of main.wasm in the place of the containers'.
func (o options) writeBootstrap(path string) error {
	text, err := os.ReadFile(filepath.Join(o.root, "envoy.yaml"))
	if err != nil {
		return err
	}
	var document map[string]any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return err
	}
	wasm, err := filepath.Abs(o.wasm())
	if err != nil {
		return err
	}
	s := substitution{
		wasm:   wasm,
		config: o.config,
		sockets: map[socket]int{
			gatewaySocket: o.gatewayPort,
			adminSocket:   o.adminPort,
			httpbinSocket: o.httpbinPort,
		},
		done: map[any]bool{},
	}
	s.apply(document)
	if err := s.check(); err != nil {
		return err
	}
	text, err = yaml.Marshal(document)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

type substitution struct {
	wasm    string
	config  string         // of another plugin; empty: that of envoy.yaml
	sockets map[socket]int // the port on 127.0.0.1 that takes its place
	done    map[any]bool   // the sockets and the path that were found
}

// apply changes the maps below node in place.
func (s *substitution) apply(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			s.apply(item)
		}
	case map[string]any:
		if node["filename"] == containerWasm {
			node["filename"] = s.wasm
			s.done[containerWasm] = true
		}
		if node["@type"] == "type.googleapis.com/google.protobuf.StringValue" && s.config != "" {
			node["value"] = s.config
		}
		s.applySocket(node)
		for _, value := range node {
			s.apply(value)
		}
	}
}

func (s *substitution) applySocket(node map[string]any) {
	address, _ := node["address"].(string)
	port, _ := node["port_value"].(int)
	key := socket{address, port}
	if local, found := s.sockets[key]; found {
		node["address"], node["port_value"] = "127.0.0.1", local
		s.done[key] = true
	}
}

// check keeps an edited envoy.yaml from being run half substituted.
func (s *substitution) check() error {
	if len(s.done) != len(s.sockets)+1 {
		return errors.New("envoy.yaml no longer has 0.0.0.0:10000, 0.0.0.0:9901, httpbin:80 and " + containerWasm + ", which the demo replaces")
	}
	return nil
}
