package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fetch pulls the module as the gateways do: the rules are those of istio's
// pkg/wasm/imagefetcher.go, which Higress and Envoy Gateway have copies of. It answers
// which variant of a Wasm image it has taken the image for.
func fetch(tag name.Tag) (variant string, module []byte, err error) {
	descriptor, err := remote.Get(tag)
	if err != nil {
		return "", nil, err
	}
	image, err := descriptor.Image() // of an index, the child for linux/amd64
	if err != nil {
		return "", nil, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", nil, err
	}
	if manifest.MediaType == types.DockerManifestSchema2 {
		module, err = fromLastLayer(image, types.DockerLayer)
		return "docker", module, err
	}
	if module, err = fromLastLayer(image, types.OCILayer); err == nil {
		return "compat", module, nil
	}
	// The variant with the bare module as one of exactly two layers is none of ours.
	return "", nil, fmt.Errorf("could not parse as compat variant: %w", err)
}

func fromLastLayer(image v1.Image, want types.MediaType) ([]byte, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) == 0 {
		return nil, errors.New("no layer")
	}
	layer := layers[len(layers)-1]
	if got, err := layer.MediaType(); err != nil || got != want {
		return nil, fmt.Errorf("invalid media type %s (expect %s)", got, want)
	}
	packed, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	return findPlugin(packed)
}

func findPlugin(packed io.Reader) ([]byte, error) {
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil, errors.New("plugin.wasm not found in the archive")
		}
		if err != nil {
			return nil, err
		}
		if path.Base(header.Name) == "plugin.wasm" {
			var module bytes.Buffer
			_, err := io.Copy(&module, archive)
			return module.Bytes(), err
		}
	}
}
