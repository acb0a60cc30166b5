// Package gateways_test tests the image and deploy/ with the gateways' own code: Istio's image fetcher, the
// published definitions of their resources, and the real Compose.
package gateways_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"istio.io/istio/pkg/wasm"

	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

// startRegistry runs a registry on loopback and returns the name of an image in it.
func startRegistry(t *testing.T) name.Tag {
	t.Helper()
	tag, err := name.NewTag(provider.StartRegistry(t) + "/gateway/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// runMake runs a target of the project, which leaves what it makes in a folder of the test.
func runMake(t *testing.T, root string, args ...string) (output string) {
	t.Helper()
	command := exec.Command("make", append([]string{"--no-print-directory", "-C", root, "REVISION=0123456789abcdef"}, args...)...)
	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, printed)
	}
	return string(printed)
}

// pushed pushes the plugin as its users do, into a registry of the test.
func pushed(t *testing.T) (name.Tag, v1.Image) {
	t.Helper()
	tag := startRegistry(t)
	// The file is given by its path, so that make builds nothing here: BUILD would be the folder for it.
	output := runMake(t, harness.Root(t), "push", "MODULE="+filepath.Join(harness.Root(t), "main.wasm"), "IMAGE="+tag.String(), "BUILD="+t.TempDir())
	if want := "oci://" + tag.String(); !strings.Contains(output, want) {
		t.Errorf("make push prints no %s:\n%s", want, output)
	}
	image, err := remote.Image(tag)
	if err != nil {
		t.Fatal(err)
	}
	return tag, image
}

// fetch pulls the module with Istio's own code, of which Higress and Envoy Gateway have copies.
func fetch(t *testing.T, tag name.Tag) (module []byte, digest string, err error) {
	t.Helper()
	read, digest, err := wasm.NewImageFetcher(t.Context(), wasm.ImageFetcherOption{}).PrepareFetch(tag.String())
	if err != nil {
		return nil, "", err
	}
	module, err = read()
	return module, digest, err
}

func TestIstioFetchesTheImage(t *testing.T) {
	tag, image := pushed(t)
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	indexed := tag.Tag("indexed")
	if err := remote.WriteIndex(indexed, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image})); err != nil {
		t.Fatal(err)
	}
	plugin := harness.ReadProjectFile(t, "main.wasm")
	for name, tag := range map[string]name.Tag{"as make push makes it": tag, "in an index": indexed} {
		t.Run(name, func(t *testing.T) {
			fetched, digest, err := fetch(t, tag)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(fetched, plugin) {
				t.Errorf("got a module of %d bytes, expected main.wasm", len(fetched))
			}
			if digest != want.Hex {
				t.Errorf("got digest %s, expected %s", digest, want.Hex)
			}
		})
	}
}

// The same sources produce the same digest on any machine, so anyone with the sources can verify an image
// in a registry.
func TestTwoBuildsAgree(t *testing.T) {
	root := harness.Root(t)
	elsewhere := filepath.Join(t.TempDir(), "another folder")
	for _, pattern := range []string{"*.go", "go.mod", "go.sum", "Makefile", "spec.yaml", "internal", "tools", "cmd", "e2e"} {
		copyAll(t, root, elsewhere, pattern)
	}
	first, second := makeImage(t, root), makeImage(t, elsewhere)
	if first != second {
		t.Errorf("got the digests %s and %s of two builds, expected one", first, second)
	}
}

// makeImage returns the digest that make image prints.
func makeImage(t *testing.T, root string) string {
	t.Helper()
	output := runMake(t, root, "image", "IMAGE=registry.example.com/gateway/token-fetch:1.0.0", "BUILD="+t.TempDir())
	_, digest, found := strings.Cut(strings.TrimSpace(output), "sha256:")
	if !found {
		t.Fatalf("make image prints no digest:\n%s", output)
	}
	return digest
}

// copyAll copies files and folders, but not those that hold what was built or installed.
func copyAll(t *testing.T, from, to, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(from, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: got no file, expected some (%v)", pattern, err)
	}
	for _, path := range paths {
		target := filepath.Join(to, filepath.Base(path))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(target, os.DirFS(path))
		} else if err = os.MkdirAll(to, 0o755); err == nil {
			var data []byte
			if data, err = os.ReadFile(path); err == nil {
				err = os.WriteFile(target, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
