package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
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

func TestRun(t *testing.T) {
	in := write(t, module)
	out := filepath.Join(t.TempDir(), "main.wasm")
	// Blanks as they come from a Makefile's continued line.
	if err := run([]string{"-in", in, "-out", out, "-keep-out", "a, c"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Exports) != 1 || m.Exports[0].Name != "b" {
		t.Errorf("exports are %v, want b", m.Exports)
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode is %v, want 0644: a gateway under another user must be able to read it", info.Mode())
	}
}

func TestRunInPlace(t *testing.T) {
	path := write(t, module)
	if err := run([]string{"-in", path, "-out", path, "-keep-out", "b"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	var list bytes.Buffer
	if err := run([]string{"-in", path, "-list"}, &list, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := "section  7        11 bytes \nexport a function\nexport c function\n"
	if list.String() != want {
		t.Errorf("list is %q, want %q", list.String(), want)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("folder has %v (%v), want the file alone", entries, err)
	}
}

func TestRunOverride(t *testing.T) {
	// Exports a, b and own_a, functions 0, 1 and 2.
	path := write(t, module[:8]+"\x07\x11\x03"+"\x01a\x00\x00"+"\x01b\x00\x01"+"\x05own_a\x00\x02")
	if err := run([]string{"-in", path, "-out", path, "-keep-out", "b", "-override", "own_"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := module[:8] + "\x07\x05\x01" + "\x01a\x00\x02"; string(got) != want {
		t.Errorf("result is %x, want %x", got, want)
	}
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
		{"list of what is not wasm", []string{"-in", text, "-list"}, text + ": not a WebAssembly module of version 1"},
		{"unknown prefix", []string{"-in", good, "-out", "out", "-override", "own_"}, good + `: no export has the prefix "own_"`},
		{"unknown export", []string{"-in", good, "-out", "out", "-keep-out", "a,d"}, good + `: no export named "d"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := run(test.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	if _, err := os.Stat("out"); err == nil {
		t.Error("an error has left a file behind")
	}
}
