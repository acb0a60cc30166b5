package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"token-fetch/e2e/image"
)

const (
	wantImage = "want IMAGE=REGISTRY/NAMESPACE/NAME:TAG, for example IMAGE=registry.example.com/gateway/token-fetch:1.0.0"
	revision  = "0123456789abcdef"
	source    = "https://git.example.com/token-fetch"
)

// module only begins like a Wasm file.
var module = []byte("\x00asm\x01\x00\x00\x00" + strings.Repeat("code ", 1000))

// The whole way of "make image" and "make push".
func TestBuildAndPush(t *testing.T) {
	root := testRoot(t, map[string]string{"main.wasm": string(module), "spec.yaml": specYAML})
	tag := testRegistry(t)
	want, err := image.New(module, image.Info{Title: "Token Fetch", Description: "Fetches a token.", Version: "1.2.3", Revision: revision, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := want.Digest()
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct{ command, want string }{
		{"build", fmt.Sprintf("build/image: version 1.2.3, %s, application/vnd.oci.image.manifest.v1+json, "+
			"layer application/vnd.oci.image.layer.v1.tar+gzip (0.0 MB)\npush it: make push IMAGE=%s\n", digest, tag)},
		// Twice: what a former build has left must not stay in the layout.
		{"build", digest.String()},
		{"push", fmt.Sprintf("pushed %s@%s\nurl of the WasmPlugin: oci://%s\n", tag, digest, tag)},
	}
	for _, step := range steps {
		var stdout bytes.Buffer
		args := []string{"-root", root, "-revision", revision, "-source", source, step.command, tag.String()}
		if err := run(t.Context(), args, &stdout); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stdout.String(), step.want) {
			t.Errorf("%s prints %q, want %q", step.command, stdout.String(), step.want)
		}
	}
	pushed, err := remote.Head(tag)
	if err != nil {
		t.Fatal(err)
	}
	if pushed.Digest != digest {
		t.Errorf("the registry has %s, want %s", pushed.Digest, digest)
	}
}

func TestRunErrors(t *testing.T) {
	const tag = "127.0.0.1:1/ns/token-fetch:1.0.0"
	good := map[string]string{"main.wasm": string(module), "spec.yaml": specYAML}
	tests := []struct {
		name  string
		files map[string]string
		args  []string
		want  string
	}{
		{"nothing", nil, nil, "usage: image [-root FOLDER] [-module FILE] [-revision COMMIT] [-source URL] build|push REGISTRY/NAMESPACE/NAME:TAG"},
		{"no image", nil, []string{"build"}, "missing IMAGE: " + wantImage},
		{"empty image", nil, []string{"push", ""}, "missing IMAGE: " + wantImage},
		{"unknown command", nil, []string{"pull", tag}, `unknown command "pull" (want build or push)`},
		{"no module", nil, []string{"build", tag}, "main.wasm is missing: run make build first"},
		{"no other module", good, []string{"-module", "main-redis.wasm", "build", tag}, "main-redis.wasm is missing: run make redis first"},
		{"no Wasm", map[string]string{"main.wasm": "<html>"}, []string{"build", tag}, "main.wasm is no WebAssembly module: run make build again"},
		{"no spec.yaml", map[string]string{"main.wasm": string(module)}, []string{"build", tag}, "spec.yaml: no such file or directory"},
		{"no version", map[string]string{"main.wasm": string(module), "spec.yaml": "info: {title: a, description: b}"}, []string{"build", tag}, "title, description or version is missing in info"},
		{"not built", good, []string{"push", tag}, "build/image is missing: run make image first"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"-root", testRoot(t, test.files)}, test.args...)
			if err := run(t.Context(), args, io.Discard); err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// testRegistry runs a registry on loopback and answers the name of an image in it.
func testRegistry(t *testing.T) name.Tag {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	tag, err := image.ParseName(strings.TrimPrefix(server.URL, "http://") + "/gateway/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// testRoot is a project with what build reads.
func testRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const specYAML = "info:\n  title: Token Fetch\n  description: Fetches a token.\n  version: 1.2.3\n"
