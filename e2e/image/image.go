// Package image packs main.wasm into an OCI image that every gateway can pull, and pushes it, without a
// container engine.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// pluginFile is the only name that the gateways look for in the layer.
const pluginFile = "plugin.wasm"

// epoch stands for every time in the image: the same module has the same digest,
// whenever and wherever it is packed.
var epoch = time.Unix(0, 0).UTC()

// New makes the "compat" variant of a Wasm image: one gzipped tar as the only
// layer, so that docker, podman, crane and the fetchers of Istio, Higress and Envoy
// Gateway all read it. Layers for spec.yaml and README.md, which Higress' own plugins
// have before this one, are left out: they are no archives, and container tools that
// unpack every layer fail on them.
//
// https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md
func New(module []byte, about Info) (v1.Image, error) {
	packed, err := pack(module)
	if err != nil {
		return nil, err
	}
	layer, err := partial.CompressedToLayer(gzippedTar(packed))
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		// What "FROM scratch" gives on most machines, and what the fetchers choose by
		// default should somebody put the image into an index.
		OS:           "linux",
		Architecture: "amd64",
		Created:      v1.Time{Time: epoch},
		RootFS:       v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:       layer,
		History:     v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "make image"},
		Annotations: map[string]string{"org.opencontainers.image.title": "plugin.tar.gz"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, about.annotations()).(v1.Image), nil
}

// annotations are those of https://github.com/opencontainers/image-spec/blob/main/annotations.md that are known.
func (about Info) annotations() map[string]string {
	annotations := map[string]string{
		"module.wasm.image/variant":            "compat",
		"org.opencontainers.image.title":       about.Title,
		"org.opencontainers.image.description": about.Description,
		"org.opencontainers.image.version":     about.Version,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.revision":    about.Revision,
		"org.opencontainers.image.source":      about.Source,
	}
	maps.DeleteFunc(annotations, func(_, value string) bool { return value == "" })
	return annotations
}

// pack puts the module into a tar.gz that depends on nothing but the module.
func pack(module []byte) ([]byte, error) {
	var packed bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zipped)
	err = archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg,
		Name:     pluginFile,
		Size:     int64(len(module)),
		Mode:     0o644,
		ModTime:  epoch,
		Format:   tar.FormatUSTAR,
	})
	if err != nil {
		return nil, err
	}
	if _, err := archive.Write(module); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// gzippedTar is a layer that is compressed already, so that its bytes, and with them
// the digest, are decided here and not by a default of the library.
type gzippedTar []byte

var _ partial.CompressedLayer = gzippedTar(nil)

func (l gzippedTar) Digest() (v1.Hash, error) {
	hash, _, err := v1.SHA256(bytes.NewReader(l))
	return hash, err
}

func (l gzippedTar) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l)), nil
}

func (l gzippedTar) Size() (int64, error) { return int64(len(l)), nil }

func (l gzippedTar) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
