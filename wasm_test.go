package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"token-fetch/tools/wasm"
)

// higressOnly are functions that stock Envoy does not have: a file that imports one
// of them does not load there.
var higressOnly = []string{
	"proxy_redis_init", "proxy_redis_call", "proxy_inject_encoded_data_to_filter_chain",
	"proxy_get_upstream_hosts", "proxy_set_upstream_override_host",
}

// notEverywhere are functions of WASI that an Envoy of make test-matrix lacks or, as to the last one, answers with an error
// that ends the VM at Go's next garbage collection.
var notEverywhere = []string{"path_filestat_get", "fd_filestat_get", "poll_oneoff"}

func TestBuiltFileLoadsInBothHosts(t *testing.T) {
	data, err := os.ReadFile("main.wasm")
	if err != nil {
		t.Fatalf("main.wasm is missing: run make first (%v)", err)
	}
	module, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var markers []string
	exported := map[string]bool{}
	for _, export := range module.Exports {
		exported[export.Name] = true
		if strings.HasPrefix(export.Name, "own_") {
			t.Errorf("%s: exported beside the SDK's callback, not in its place", export.Name)
		}
		if strings.HasPrefix(export.Name, "proxy_abi_version_") {
			markers = append(markers, export.Name)
		}
	}
	// Both hosts take the first marker that they know.
	if got, want := strings.Join(markers, " "), "proxy_abi_version_0_2_1 proxy_abi_version_0_2_100"; got != want {
		t.Errorf("markers: got %q, expected %q", got, want)
	}
	for _, name := range []string{"_initialize", "proxy_on_memory_allocate", "proxy_on_configure", "proxy_on_request_headers",
		"proxy_on_http_call_response", "proxy_on_tick", "proxy_on_context_create", "proxy_on_response_headers", "proxy_on_delete"} {
		if !exported[name] {
			t.Errorf("%s is not exported", name)
		}
	}
	for _, function := range module.Imports {
		if function.Module != "env" && function.Module != "wasi_snapshot_preview1" {
			t.Errorf("%s.%s: imported from a module that the hosts do not have", function.Module, function.Name)
		}
		if slices.Contains(higressOnly, function.Name) {
			t.Errorf("%s: stock Envoy does not have it", function.Name)
		}
		if slices.Contains(notEverywhere, function.Name) {
			t.Errorf("%s: not all versions of Envoy have it as Go needs it", function.Name)
		}
	}
}
