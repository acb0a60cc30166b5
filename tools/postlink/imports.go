package main

import (
	"fmt"

	"token-fetch/tools/wasm"
)

// Where the linked file may import from: Go's standard library from WASI, the SDK from the host of plugins.
const (
	wasiModule = "wasi_snapshot_preview1"
	hostModule = "env"
)

// wasiFunctions is all of WASI that the linked file may import: what each gateway that the plugin is for has, and what
// becomes a function of the file itself. One that is missing here fails the build: Go, or a library, has
// come to need it, and somebody must find out which gateways have it.
var wasiFunctions = []struct {
	name  string
	local *wasm.Local // what the file gets in its place; nil: hosts have it
	why   string
}{
	{"args_get", nil, "start of Go's runtime; there are none"},
	{"args_sizes_get", nil, "start of Go's runtime"},
	{"clock_time_get", nil, "both clocks"},
	{"environ_get", nil, "the VM's environment, for ${NAME}"},
	{"environ_sizes_get", nil, "the VM's environment"},
	{"fd_close", nil, "linked by the SDK with package os, and not called: no file is ever open"},
	{"fd_fdstat_get", nil, "package os, at its start: what standard output is"},
	{"fd_fdstat_set_flags", nil, "linked by the SDK with package os, and not called; since Envoy 1.33"},
	{"fd_prestat_dir_name", nil, "package syscall, for folders; there are none"},
	{"fd_prestat_get", nil, "package syscall, at its start: answers that there are no folders"},
	{"fd_read", nil, "linked by the SDK with package os, and not called"},
	{"fd_write", nil, "what the runtime says when it gives up goes to the gateway's log"},
	{"path_open", nil, "linked by the SDK with package os, and answers that there are no files"},
	{"proc_exit", nil, "the runtime gives up: the VM ends"},
	{"random_get", nil, "seeds of maps and of random numbers"},
	{"sched_yield", nil, "Go's runtime, while it collects garbage; since Envoy 1.33"},

	{"path_filestat_get", notSupported("(i32 i32 i32 i32 i32) i32"),
		"linked by the SDK with package os; Envoy up to 1.37 lacks it, and refuses the file"},
	{"poll_oneoff", noEvents,
		"Go's runtime sleeps by it, also while it collects garbage; Envoy up to 1.37 answers with an error, upon which the runtime gives up"},
}

// notSupported is a function that only answers what Envoy does since it has path_filestat_get.
func notSupported(functionType string) *wasm.Local {
	return &wasm.Local{Type: functionType, Code: []byte{
		0x41, 58, // i32.const 58: ENOTSUP, which is one byte as a signed number
		0x0b, // end
	}}
}

// noEvents is poll_oneoff as the newer hosts have it: it does not sleep, as a gateway's thread must not, and nothing has
// happened.
var noEvents = &wasm.Local{Type: "(i32 i32 i32 i32) i32", Code: []byte{
	0x20, 3, // local.get 3: where the number of events goes
	0x41, 0, // i32.const 0
	0x36, 2, 0, // i32.store
	0x41, 0, // i32.const 0: success
	0x0b, // end
}}

// applyImports makes what the linked file imports of WASI what each gateway has.
func applyImports(data []byte) ([]byte, error) {
	m, err := wasm.Parse(data)
	if err != nil {
		return nil, err
	}
	known := map[string]*wasm.Local{}
	for _, f := range wasiFunctions {
		known[f.name] = f.local
	}
	var locals []wasm.Local
	seen := map[string]bool{}
	for _, i := range m.Imports {
		if i.Module == hostModule {
			continue
		}
		local, ok := known[i.Name]
		if !ok || i.Module != wasiModule {
			return nil, fmt.Errorf("the linked file imports %s.%s, which the list in tools/postlink/imports.go does not know", i.Module, i.Name)
		}
		if local != nil && !seen[i.Name] { // the standard library imports some twice
			seen[i.Name] = true
			locals = append(locals, wasm.Local{Module: i.Module, Name: i.Name, Type: local.Type, Code: local.Code})
		}
	}
	if len(locals) == 0 {
		return data, nil
	}
	return wasm.ReplaceImports(data, locals)
}
