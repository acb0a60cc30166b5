package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"math/rand"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var about = Info{Title: "Token Fetch", Description: "Fetches a token.", Version: "1.0.0", Revision: "abc123"}

// module begins like a Wasm file and does not compress, so that no read of it ends early unnoticed.
var module = func() []byte {
	content := make([]byte, 200_000)
	rand.New(rand.NewSource(1)).Read(content)
	return append([]byte("\x00asm\x01\x00\x00\x00"), content...)
}()

func testImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := New(module, about)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// testRegistry runs a registry on loopback and answers the name of an image in it.
func testRegistry(t *testing.T) name.Tag {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	tag, err := ParseName(strings.TrimPrefix(server.URL, "http://") + "/gateway/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// A gateway on another platform than linux/amd64 finds no child in an index.
func TestPushIsNoIndex(t *testing.T) {
	tag := testRegistry(t)
	if err := Push(t.Context(), testImage(t), tag); err != nil {
		t.Fatal(err)
	}
	descriptor, err := remote.Get(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	if err != nil {
		t.Fatal(err)
	}
	if descriptor.MediaType != types.OCIManifestSchema1 {
		t.Errorf("media type is %s, want %s", descriptor.MediaType, types.OCIManifestSchema1)
	}
	if _, err := descriptor.Image(); err != nil {
		t.Errorf("arm64 cannot read the image: %v", err)
	}
}

// The library's own check compares sizes, digests and diff_ids with the content.
func TestImageIsConsistent(t *testing.T) {
	if err := validate.Image(testImage(t)); err != nil {
		t.Error(err)
	}
}

func TestManifest(t *testing.T) {
	manifest, err := testImage(t).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.SchemaVersion != 2 || manifest.MediaType != types.OCIManifestSchema1 {
		t.Errorf("manifest is %s of schema %d", manifest.MediaType, manifest.SchemaVersion)
	}
	if got := manifest.Config.MediaType; got != types.OCIConfigJSON {
		t.Errorf("config is %s, want %s", got, types.OCIConfigJSON)
	}
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != types.OCILayer {
		t.Fatalf("layers are %v, want one of %s", manifest.Layers, types.OCILayer)
	}
	if got := manifest.Layers[0].Annotations["org.opencontainers.image.title"]; got != "plugin.tar.gz" {
		t.Errorf("title of the layer is %q", got)
	}
	for key, want := range map[string]string{
		"module.wasm.image/variant":            "compat",
		"org.opencontainers.image.title":       about.Title,
		"org.opencontainers.image.description": about.Description,
		"org.opencontainers.image.version":     about.Version,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.revision":    about.Revision,
	} {
		if got := manifest.Annotations[key]; got != want {
			t.Errorf("annotation %s is %q, want %q", key, got, want)
		}
	}
	if got, found := manifest.Annotations["org.opencontainers.image.source"]; found {
		t.Errorf("the source is %q, expected no annotation: it was not said", got)
	}
}

// The archive has plugin.wasm and nothing of the machine it was made on.
func TestPack(t *testing.T) {
	packed, err := pack(module)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if !unzipped.ModTime.IsZero() || unzipped.Name != "" {
		t.Errorf("gzip header names %q of %v", unzipped.Name, unzipped.ModTime)
	}
	archive := tar.NewReader(unzipped)
	header, err := archive.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "plugin.wasm" || header.Mode != 0o644 || header.Uid != 0 || header.Gid != 0 ||
		header.Uname != "" || header.Gname != "" || header.ModTime.Unix() != 0 || header.Typeflag != tar.TypeReg {
		t.Errorf("header is %+v", header)
	}
	if _, err := archive.Next(); err != io.EOF {
		t.Errorf("a second member (%v), want one alone", err)
	}
}

func TestDigestIsReproducible(t *testing.T) {
	first, err := testImage(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	second, err := testImage(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Errorf("digests are %s and %s", first, second)
	}
	other, err := New(append([]byte(nil), module[:len(module)-1]...), about)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err := other.Digest(); err != nil || digest == first {
		t.Errorf("another module has the digest %s too (%v)", digest, err)
	}
}
