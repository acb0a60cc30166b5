package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Sections before and after the exports, which are none of this tool's business.
const (
	before = "\x01\x04\x01\x60\x00\x00" // a type
	after  = "\x0a\x01\x00"             // no code
)

// linked is a module that exports the names. Go's linker pads the sizes of sections to five bytes.
func linked(imports string, names ...string) []byte {
	body := []byte{byte(len(names))}
	for i, name := range names {
		body = append(append(append(body, byte(len(name))), name...), 0, byte(i))
	}
	size := len(body)
	padded := []byte{exportSection, byte(size) | 0x80, byte(size>>7) | 0x80, 0x80, 0x80, 0}
	return slices.Concat([]byte(header+before+imports), padded, body, []byte(after))
}

const importsRedis = "\x02\x18\x01\x03env\x10proxy_redis_call\x00\x00"

// all is what the plugin's linked file exports.
func all() (names []string) {
	for _, e := range exports {
		names = append(names, e.name)
		if e.disposition == replaced {
			names = append(names, ownPrefix+e.name)
		}
	}
	return names
}

func TestListIsApplied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "linked.wasm")
	for _, imports := range []string{"", importsRedis} {
		if err := os.WriteFile(path, linked(imports, all()...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := rewrite(path, path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte(header+before+imports)) || !bytes.HasSuffix(data, []byte(after)) {
			t.Errorf("got %x, expected what stands around the exports to stay", data)
		}
		_, found, _, err := splitAtExports(data)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, e := range found {
			got = append(got, e.name)
			if original := all()[e.target[1]]; original != e.name && original != ownPrefix+e.name {
				t.Errorf("%s: got what was exported as %s", e.name, original)
			}
		}
		for _, e := range exports {
			if e.why == "" {
				t.Errorf("%s: the list has no reason", e.name)
			}
			if e.disposition == kept || e.disposition == replaced || e.disposition == redisOnly && imports != "" {
				want = append(want, e.name)
			}
			if at := slices.Index(got, e.name); e.disposition == replaced && !strings.HasPrefix(all()[found[at].target[1]], ownPrefix) {
				t.Errorf("%s: got the SDK's, expected that of internal/abi", e.name)
			}
		}
		if !slices.Equal(got, want) { // in this order: hosts go by the first ABI marker among them
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("got %v in the folder (%v), expected the file alone", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v (%v), expected the mode 0644: a gateway under another user must be able to read it", info.Mode(), err)
	}
}

func TestErrors(t *testing.T) {
	whole := linked("", all()...)
	without := slices.DeleteFunc(all(), func(name string) bool { return name == ownPrefix+"proxy_on_response_headers" })
	tests := map[string]struct {
		module []byte
		want   string
	}{
		"one more":    {linked("", append(all(), "proxy_on_grpc_close")...), `the linked file exports "proxy_on_grpc_close", which the list in tools/postlink/exports.go does not know`},
		"one less":    {linked("", all()[1:]...), `the linked file does not export "_initialize", which the list in tools/postlink/exports.go has`},
		"not its own": {linked("", without...), `the linked file does not export "own_proxy_on_response_headers", which the list in tools/postlink/exports.go has`},
		"empty":       {nil, errNotWasm.Error()},
		"a component": {[]byte("\x00asm\x0d\x00\x01\x00"), errNotWasm.Error()},
		"no exports":  {[]byte(header + before), errNoExports.Error()},
		"cut off":     {whole[:len(whole)-len(after)-1], errTruncated.Error()},
		"cut inside":  {[]byte(header + "\x07\x03\x01\x01a"), errTruncated.Error()},
		"no number":   {[]byte(header + "\x07\x00"), errTruncated.Error()},
	}
	for name, test := range tests {
		if _, err := applyExports(test.module); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, expected %s", name, err, test.want)
		}
	}
	if err := rewrite(filepath.Join(t.TempDir(), "linked.wasm"), "main.wasm"); err == nil {
		t.Error("a file that is not there is rewritten")
	}
}
