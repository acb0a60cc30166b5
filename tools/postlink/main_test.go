package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"token-fetch/tools/wasm"
)

// module is a module with the function exports a, b and c and nothing else.
const module = "\x00asm\x01\x00\x00\x00" + "\x07\x0d\x03" + "\x01a\x00\x00" + "\x01b\x00\x01" + "\x01c\x00\x02"

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "linked.wasm")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Another plugin imports only what every gateway has, whatever it exports. In place, as make may do it.
func TestRunOnAnotherPlugin(t *testing.T) {
	path := write(t, importing([2]string{wasiModule, "poll_oneoff"}, [2]string{hostModule, "proxy_log"}))
	if err := run([]string{"-imports", "-in", path, "-out", path}, io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Imports) != 1 || m.Imports[0].Name != "proxy_log" {
		t.Errorf("got the imports %v, expected proxy_log", m.Imports)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("got %v in the folder (%v), expected the file alone", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v (%v), expected the mode 0644: a gateway under another user must be able to read it", info.Mode(), err)
	}
}

// linked is a module that exports the names as functions, memory aside.
func linked(names ...string) string {
	var body []byte
	for i, name := range names {
		kind := byte(wasm.Function)
		if name == "memory" {
			kind = byte(wasm.Memory)
		}
		body = append(append(append(body, byte(len(name))), name...), kind, byte(i))
	}
	section := append([]byte{byte(len(names))}, body...)
	size := len(section)
	exported := append([]byte{7, byte(size) | 0x80, byte(size >> 7)}, section...)
	return module[:8] + string(exported) + "\x0a\x01\x00" // no code
}

// all is what the plugin's linked file exports.
func all() []string {
	var names []string
	for _, e := range exports {
		names = append(names, e.name)
		if e.fate == replaced {
			names = append(names, ownPrefix+e.name)
		}
	}
	return names
}

func TestListIsApplied(t *testing.T) {
	names := all()
	path := write(t, linked(names...))
	if err := rewrite(path, path, apply); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, e := range m.Exports {
		got[e.Name] = true
	}
	for _, e := range exports {
		if e.why == "" {
			t.Errorf("%s: the list has no reason", e.name)
		}
		if want := e.fate != cut && e.fate != ofRedis; got[e.name] != want || got[ownPrefix+e.name] {
			t.Errorf("%s: exported: %v, under its own name: %v; expected %v and false", e.name, got[e.name], got[ownPrefix+e.name], want)
		}
	}
}

func TestListAndLinkedFileMustAgree(t *testing.T) {
	tests := map[string]struct {
		names []string
		want  string
	}{
		"one more":    {append(all(), "proxy_on_grpc_close"), `the linked file exports "proxy_on_grpc_close", which the list in tools/postlink/exports.go does not know`},
		"one less":    {all()[1:], `the linked file does not export "_initialize", which the list in tools/postlink/exports.go has`},
		"not its own": {without(all(), ownPrefix+"proxy_on_response_headers"), `the linked file does not export "own_proxy_on_response_headers", which the list in tools/postlink/exports.go has`},
	}
	for name, test := range tests {
		path := write(t, linked(test.names...))
		if err := run([]string{"-in", path, "-out", path}, io.Discard); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: got %v, expected %s", name, err, test.want)
		}
	}
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return n == name })
}

func TestRunErrors(t *testing.T) {
	good, text := write(t, module), write(t, "<html>")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no input", nil, "missing -in"},
		{"no output", []string{"-in", good}, "missing -out"},
		{"argument", []string{"-in", good, "main.wasm"}, `unexpected argument "main.wasm"`},
		{"unknown flag", []string{"-strip"}, "help requested"},
		{"no such file", []string{"-in", "nowhere.wasm", "-out", "out"}, "open nowhere.wasm: no such file or directory"},
		{"not wasm", []string{"-in", text, "-out", "out"}, text + ": not a WebAssembly module of version 1"},
		{"not wasm, imports only", []string{"-imports", "-in", text, "-out", "out"}, text + ": not a WebAssembly module of version 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(test.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	if _, err := os.Stat("out"); err == nil {
		t.Error("an error has left a file behind")
	}
}
