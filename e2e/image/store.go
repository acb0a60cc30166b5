package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ParseName insists on a registry and a tag: what Docker would fill in, Docker Hub
// and "latest", is hardly ever meant, and gateways pull "latest" anew at each start.
func ParseName(image string) (name.Tag, error) {
	const want = "want IMAGE=REGISTRY/NAMESPACE/NAME:TAG, for example IMAGE=registry.example.com/gateway/token-fetch:1.0.0"
	if image == "" {
		return name.Tag{}, errors.New("missing IMAGE: " + want)
	}
	tag, err := name.NewTag(image, name.StrictValidation)
	// The library takes the scheme of a WasmPlugin's url for a registry named "oci:".
	if err != nil || strings.Contains(image, "://") {
		return name.Tag{}, fmt.Errorf("invalid IMAGE %q: %s", image, want)
	}
	return tag, nil
}

// WriteLayout makes dir an OCI image layout with image alone in it, under a name that
// skopeo, podman and oras find it by.
func WriteLayout(dir string, image v1.Image, tag name.Tag) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(image, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": tag.String(),
	}))
}

// ReadLayout answers the one image of a layout. The layout's own index stays behind:
// of an index in a registry, gateways take the child for linux/amd64 only.
func ReadLayout(dir string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("build/image is missing: run make image first")
	}
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if n := len(manifest.Manifests); n != 1 {
		return nil, fmt.Errorf("build/image has %d images, not one: run make image again", n)
	}
	return index.Image(manifest.Manifests[0].Digest)
}

// Push uses the credentials of "docker login" or "podman login". A registry on
// localhost or in a private network may speak plain HTTP, any other must have TLS.
func Push(ctx context.Context, image v1.Image, tag name.Tag) error {
	err := remote.Write(tag, image,
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain))
	var refused *transport.Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("pushing %s: not allowed, try docker login %s: %w", tag, tag.RegistryStr(), err)
	}
	if err != nil {
		return fmt.Errorf("pushing %s: %w", tag, err)
	}
	return nil
}
