package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// higressOnly are functions that stock Envoy does not have: a file that imports one of them does not load there.
var higressOnly = []string{
	"proxy_redis_init", "proxy_redis_call", "proxy_inject_encoded_data_to_filter_chain",
	"proxy_get_upstream_hosts", "proxy_set_upstream_override_host",
}

// everywhere are the WASI functions that every gateway provides as Go needs them. If Go or a library needs another one, find
// out which gateways have it; tools/build adds two that some of them lack.
var everywhere = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get", "proc_exit", "random_get",
	"fd_write",    // what the runtime says when it gives up goes to the gateway's log
	"sched_yield", // Go's runtime, while it collects garbage; since Envoy 1.33

	// Linked by the SDK with package os. No file is ever open, and the host answers that there are none.
	"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_dir_name", "fd_prestat_get", "fd_read", "path_open",
}

// imported are the functions that a file imports of a host's module.
func imported(file []byte, module string) (names []string) {
	name := string(byte(len(module))) + module
	for _, rest, found := bytes.Cut(file, []byte(name)); found; _, rest, found = bytes.Cut(rest, []byte(name)) {
		names = append(names, string(rest[1:1+rest[0]]))
	}
	return names
}

// exportedAt is where a file exports a function, below 0 if it does not.
func exportedAt(file []byte, name string) int {
	return bytes.Index(file, []byte(string(byte(len(name)))+name+"\x00"))
}

func TestBuiltFileLoadsInBothHosts(t *testing.T) {
	file, err := os.ReadFile("main.wasm")
	if err != nil {
		t.Fatalf("main.wasm is missing: run make build redis examples first (%v)", err)
	}
	// Both hosts take the first marker that they know.
	if stock, higress := exportedAt(file, "proxy_abi_version_0_2_1"), exportedAt(file, "proxy_abi_version_0_2_100"); stock < 0 || higress < stock {
		t.Errorf("got the markers of stock Envoy and of Higress at %d and %d, expected both in this order", stock, higress)
	}
	for _, name := range []string{"_initialize", "proxy_on_memory_allocate", "proxy_on_configure", "proxy_on_request_headers",
		"proxy_on_http_call_response", "proxy_on_tick", "proxy_on_context_create", "proxy_on_response_headers", "proxy_on_delete"} {
		if exportedAt(file, name) < 0 {
			t.Errorf("%s is not exported", name)
		}
		if exportedAt(file, "own_"+name) >= 0 {
			t.Errorf("own_%s is exported besides the SDK's callback, not in its place", name)
		}
	}
	functions := imported(file, "env")
	if !slices.Contains(functions, "proxy_http_call") {
		t.Errorf("got the imports %q, expected token calls among them", functions)
	}
	for _, name := range higressOnly {
		if slices.Contains(functions, name) {
			t.Errorf("%s: stock Envoy does not have it", name)
		}
	}
}

func TestBuiltFilesNeedNoMoreThanGatewaysHave(t *testing.T) {
	files, err := filepath.Glob("examples/*/main.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("got no examples, expected some: run make build redis examples first (%v)", err)
	}
	for _, path := range append(files, "main.wasm", "main-redis.wasm") {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("run make build redis examples first: %v", err)
		}
		functions := imported(file, "wasi_snapshot_preview1")
		if len(functions) < 10 {
			t.Errorf("%s: got the imports %q, expected those of Go", path, functions)
		}
		for _, name := range functions {
			if !slices.Contains(everywhere, name) {
				t.Errorf("%s imports %s, which not all gateways may have", path, name)
			}
		}
	}
}
