// Command image packs a plugin's module into an OCI image layout that all gateways and container tools can read, without a
// container engine. "make image" runs it:
//
//	go -C cmd run ./image -module ../main.wasm -out ../build/image registry.example.com/gateway/token-fetch:1.0.0
//
// The same module, description and origin result in the same digest. "make push" pushes the layout with crane.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.yaml.in/yaml/v3"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	modulePath := flags.String("module", "../main.wasm", "`file` of the plugin")
	specPath := flags.String("spec", "../spec.yaml", "`file` with its title, description and version")
	revision := flags.String("revision", "", "`commit` that it was built from")
	source := flags.String("source", "", "`URL` of the repository")
	out := flags.String("out", "../build/image", "`folder` for the layout, which replaces what is there")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tag, err := parseName(strings.Join(flags.Args(), " "))
	if err != nil {
		return err
	}
	module, err := readModule(*modulePath)
	if err != nil {
		return err
	}
	annotations, err := readSpec(*specPath)
	if err != nil {
		return err
	}
	annotations["org.opencontainers.image.revision"] = *revision
	annotations["org.opencontainers.image.source"] = *source
	maps.DeleteFunc(annotations, func(_, value string) bool { return value == "" })
	image, err := newImage(module, annotations)
	if err != nil {
		return err
	}
	if err := writeLayout(*out, image, tag); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: version %s, %s\n", *out, annotations["org.opencontainers.image.version"], digest)
	return nil
}

// parseName requires a registry and a tag: Docker's defaults, Docker Hub and "latest", are hardly ever intended, and gateways
// pull "latest" again at each start.
func parseName(image string) (name.Tag, error) {
	const want = "want IMAGE=REGISTRY/NAMESPACE/NAME:TAG, for example IMAGE=registry.example.com/gateway/token-fetch:1.0.0"
	if image == "" {
		return name.Tag{}, errors.New("missing IMAGE: " + want)
	}
	tag, err := name.NewTag(image, name.StrictValidation)
	// The library would take the scheme of a WasmPlugin's url for a registry named "oci:".
	if err != nil || strings.Contains(image, "://") {
		return name.Tag{}, fmt.Errorf("invalid IMAGE %q: %s", image, want)
	}
	return tag, nil
}

func readModule(path string) ([]byte, error) {
	module, err := os.ReadFile(path)
	file := filepath.Base(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing: run make %s first", file, file)
	case err == nil && !bytes.HasPrefix(module, []byte("\x00asm")):
		return nil, fmt.Errorf("%s is no WebAssembly module", file)
	}
	return module, err
}

// readSpec returns the annotations that all images of a version share.
// https://github.com/opencontainers/image-spec/blob/main/annotations.md
func readSpec(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var spec struct {
		Info struct{ Title, Description, Version string }
	}
	if err := yaml.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if spec.Info.Title == "" || spec.Info.Description == "" || spec.Info.Version == "" {
		return nil, fmt.Errorf("%s: title, description or version is missing in info", filepath.Base(path))
	}
	return map[string]string{
		"module.wasm.image/variant":            "compat",
		"org.opencontainers.image.title":       spec.Info.Title,
		"org.opencontainers.image.description": spec.Info.Description,
		"org.opencontainers.image.version":     spec.Info.Version,
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}, nil
}

// newImage makes the "compat" variant of a Wasm image: a gzipped tar with plugin.wasm as the only layer, the only format that
// Istio, Higress and Envoy Gateway all support. It omits the layers for spec.yaml and README.md that Higress' own plugins
// have: container tools that unpack every layer fail on them. Its platform is the fetchers' default, in case the image is
// put into an index.
// https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md
func newImage(module []byte, annotations map[string]string) (v1.Image, error) {
	packed, err := pack(module)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return nil, err
	}
	image, err = mutate.AppendLayers(image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}

// pack makes a tar that depends on the module only.
func pack(module []byte) ([]byte, error) {
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "plugin.wasm", Size: int64(len(module)), Mode: 0o644, Format: tar.FormatUSTAR})
	if err != nil {
		return nil, err
	}
	if _, err := archive.Write(module); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil { // writes the end
		return nil, err
	}
	return packed.Bytes(), nil
}

// writeLayout writes a layout with just the image, under the name by which skopeo, podman and oras find it.
func writeLayout(folder string, image v1.Image, tag name.Tag) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag.String()}))
}
