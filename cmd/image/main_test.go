package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	imageName = "registry.example.com/gateway/token-fetch:1.2.3"
	spec      = "info:\n  title: Token Fetch\n  description: Fetches a token.\n  version: 1.2.3\n"
)

// module only begins like a Wasm file.
var module = "\x00asm\x01\x00\x00\x00" + strings.Repeat("code ", 1000)

// build runs the command on these files and returns the image of the layout.
func build(t *testing.T, files map[string]string, args ...string) v1.Image {
	t.Helper()
	folder := folderOf(t, files)
	// Twice: what a former build has left must not stay in the layout.
	for range 2 {
		if err := run(append(flags(folder), args...), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(folder, "image"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("got %d images in the layout, expected one", len(manifest.Manifests))
	}
	if got := manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != imageName {
		t.Errorf("got the name %q, expected %q", got, imageName)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func flags(folder string) []string {
	return []string{"-module", filepath.Join(folder, "main.wasm"), "-spec", filepath.Join(folder, "spec.yaml"), "-out", filepath.Join(folder, "image")}
}

// The manifest is what gateways' fetchers look at: TestIstioFetchesTheImage has one of them read it.
func TestManifest(t *testing.T) {
	image := build(t, map[string]string{"main.wasm": module, "spec.yaml": spec}, "-revision", "abc123", imageName)
	if err := validate.Image(image); err != nil { // compares sizes, digests and diff_ids with the content
		t.Error(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON {
		t.Errorf("got a manifest %s with a configuration %s, expected OCI's", manifest.MediaType, manifest.Config.MediaType)
	}
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != types.OCILayer {
		t.Fatalf("got the layers %v, expected one %s", manifest.Layers, types.OCILayer)
	}
	for key, want := range map[string]string{
		"module.wasm.image/variant":            "compat",
		"org.opencontainers.image.title":       "Token Fetch",
		"org.opencontainers.image.description": "Fetches a token.",
		"org.opencontainers.image.version":     "1.2.3",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.revision":    "abc123",
	} {
		if got := manifest.Annotations[key]; got != want {
			t.Errorf("annotation %s: got %q, expected %q", key, got, want)
		}
	}
	if got, found := manifest.Annotations["org.opencontainers.image.source"]; found {
		t.Errorf("got the source %q, expected no annotation: it was not said", got)
	}
}

// The layer has plugin.wasm and nothing of the machine it was made on.
func TestLayer(t *testing.T) {
	image := build(t, map[string]string{"main.wasm": module, "spec.yaml": spec}, imageName)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	archive := tar.NewReader(unpacked)
	header, err := archive.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "plugin.wasm" || header.Mode != 0o644 || header.Uid != 0 || header.Gid != 0 ||
		header.Uname != "" || header.Gname != "" || header.ModTime.Unix() != 0 || header.Typeflag != tar.TypeReg {
		t.Errorf("got the header %+v, expected plugin.wasm alone", header)
	}
	if content, err := io.ReadAll(archive); err != nil || string(content) != module {
		t.Errorf("got %d bytes (%v), expected the module", len(content), err)
	}
	if _, err := archive.Next(); err != io.EOF {
		t.Errorf("got a second member (%v), expected one", err)
	}
}

func TestErrors(t *testing.T) {
	const want = "want IMAGE=REGISTRY/NAMESPACE/NAME:TAG, for example IMAGE=registry.example.com/gateway/token-fetch:1.0.0"
	good := map[string]string{"main.wasm": module, "spec.yaml": spec}
	tests := map[string]struct {
		files map[string]string
		image string
		want  string
	}{
		"no name":     {good, "", "missing IMAGE: " + want},
		"no registry": {good, "token-fetch:1.0.0", `invalid IMAGE "token-fetch:1.0.0": ` + want},
		"no tag":      {good, "registry.example.com/ns/token-fetch", `invalid IMAGE "registry.example.com/ns/token-fetch": ` + want},
		"a digest":    {good, "registry.example.com/a@sha256:" + strings.Repeat("0", 64), `invalid IMAGE "registry.example.com/a@sha256:` + strings.Repeat("0", 64) + `": ` + want},
		"a scheme":    {good, "oci://registry.example.com/a:1", `invalid IMAGE "oci://registry.example.com/a:1": ` + want},
		"two names":   {good, imageName + " " + imageName, `invalid IMAGE "` + imageName + " " + imageName + `": ` + want},
		"no module":   {map[string]string{"spec.yaml": spec}, imageName, "main.wasm is missing: run make main.wasm first"},
		"no Wasm":     {map[string]string{"main.wasm": "<html>", "spec.yaml": spec}, imageName, "main.wasm is no WebAssembly module"},
		"no spec":     {map[string]string{"main.wasm": module}, imageName, "spec.yaml: no such file or directory"},
		"no version":  {map[string]string{"main.wasm": module, "spec.yaml": "info: {title: a, description: b}"}, imageName, "spec.yaml: title, description or version is missing in info"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(append(flags(folderOf(t, test.files)), test.image), &out); err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v, expected %s", err, test.want)
			}
		})
	}
}
