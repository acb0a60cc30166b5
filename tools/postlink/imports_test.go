package main

import (
	"bytes"
	"slices"
	"testing"

	"token-fetch/tools/wasm"
)

// section is one of a module; entries are the members of its list.
func section(id byte, entries ...string) string {
	body := string([]byte{byte(len(entries))})
	for _, entry := range entries {
		body += entry
	}
	return string([]byte{id, byte(len(body)) | 0x80, byte(len(body) >> 7)}) + body
}

// importing is a module that imports functions, each a pair of module and name, and calls each of them.
func importing(functions ...[2]string) string {
	var imports []string
	code := "\x00"
	for i, f := range functions {
		functionType := map[string]byte{"poll_oneoff": 1, "path_filestat_get": 2}[f[1]]
		imports = append(imports, string([]byte{byte(len(f[0]))})+f[0]+string([]byte{byte(len(f[1]))})+f[1]+string([]byte{0, functionType}))
		code += string([]byte{0x10, byte(i)})
	}
	code += "\x0b"
	return module[:8] + section(1, "\x60\x00\x00", "\x60\x04\x7f\x7f\x7f\x7f\x01\x7f", "\x60\x05\x7f\x7f\x7f\x7f\x7f\x01\x7f") +
		section(2, imports...) + section(3, "\x00") + section(10, string([]byte{byte(len(code))})+code)
}

func TestImportsBecomeLocal(t *testing.T) {
	data := importing([2]string{wasiModule, "poll_oneoff"}, [2]string{wasiModule, "fd_write"}, [2]string{hostModule, "proxy_log"},
		[2]string{wasiModule, "path_filestat_get"}, [2]string{wasiModule, "fd_write"})
	out, err := applyImports([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range m.Imports {
		got = append(got, i.Module+"."+i.Name)
	}
	if want := []string{wasiModule + ".fd_write", "env.proxy_log", wasiModule + ".fd_write"}; !slices.Equal(got, want) {
		t.Errorf("imports are %q, expected %q", got, want)
	}
	// Bodies without locals: poll_oneoff stores 0 at its last parameter and returns 0, path_filestat_get returns 58.
	// After them comes the one that calls all five, in the order from before.
	code := section(10, "\x0b\x00\x20\x03\x41\x00\x36\x02\x00\x41\x00\x0b", "\x04\x00\x41\x3a\x0b",
		"\x0c\x00\x10\x03\x10\x00\x10\x01\x10\x04\x10\x02\x0b")
	if want := code[3:]; !bytes.HasSuffix(out, []byte(want)) { // whatever its size is written in
		t.Errorf("the module is\n%x, expected it to end in\n%x", out, want)
	}
}

func TestNothingToMakeLocal(t *testing.T) {
	data := []byte(importing([2]string{wasiModule, "fd_write"}))
	if out, err := applyImports(data); err != nil || !bytes.Equal(out, data) {
		t.Errorf("got %v and\n%x, expected\n%x", err, out, data)
	}
}

func TestImportsThatTheListDoesNotKnow(t *testing.T) {
	tests := map[string]struct {
		function [2]string
		want     string
	}{
		"of WASI":           {[2]string{wasiModule, "fd_seek"}, "the linked file imports wasi_snapshot_preview1.fd_seek, which the list in tools/postlink/imports.go does not know"},
		"of an older WASI":  {[2]string{"wasi_unstable", "fd_write"}, "the linked file imports wasi_unstable.fd_write, which the list in tools/postlink/imports.go does not know"},
		"of another module": {[2]string{"gojs", "runtime.wasmExit"}, "the linked file imports gojs.runtime.wasmExit, which the list in tools/postlink/imports.go does not know"},
	}
	for name, test := range tests {
		if _, err := applyImports([]byte(importing(test.function))); err == nil || err.Error() != test.want {
			t.Errorf("%s: got the error %v, expected %s", name, err, test.want)
		}
	}
}

func TestEachImportHasAReason(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range wasiFunctions {
		if f.why == "" || seen[f.name] {
			t.Errorf("%s: the list has no reason, or has it twice", f.name)
		}
		seen[f.name] = true
	}
}
