// Image packs main.wasm into an OCI image and pushes it, without a container engine.
// It is what "make image" and "make push" run:
//
//	go run ./cmd/image build registry.example.com/gateway/token-fetch:1.0.0
//	go run ./cmd/image push registry.example.com/gateway/token-fetch:1.0.0
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is enough
	root := flags.String("root", "..", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 1 || flags.NArg() > 2 {
		return errors.New("usage: image [-root FOLDER] build|push REGISTRY/NAMESPACE/NAME:TAG")
	}
	tag, err := parseImage(flags.Arg(1))
	if err != nil {
		return err
	}
	layoutDir := filepath.Join(*root, "build", "image")
	switch command := flags.Arg(0); command {
	case "build":
		return runBuild(*root, layoutDir, tag, stdout)
	case "push":
		return runPush(ctx, layoutDir, tag, stdout)
	default:
		return fmt.Errorf("unknown command %q (want build or push)", command)
	}
}

// parseImage insists on a registry and a tag: what Docker would fill in, Docker Hub
// and "latest", is hardly ever meant, and gateways pull "latest" anew at each start.
func parseImage(image string) (name.Tag, error) {
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

func runBuild(root, layoutDir string, tag name.Tag, stdout io.Writer) error {
	module, err := readModule(filepath.Join(root, "main.wasm"))
	if err != nil {
		return err
	}
	about, err := readInfo(filepath.Join(root, "spec.yaml"))
	if err != nil {
		return err
	}
	image, err := newImage(module, about)
	if err != nil {
		return err
	}
	if err := writeLayout(layoutDir, image, tag); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	summary, err := summarize(image)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "build/image: %s\npush it: make push IMAGE=%s\n", summary, tag)
	return nil
}

// summarize names what decides whether a gateway can read the image.
func summarize(image v1.Image) (string, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	layer := manifest.Layers[len(manifest.Layers)-1]
	return fmt.Sprintf("%s, %s, layer %s (%.1f MB)",
		digest, manifest.MediaType, layer.MediaType, float64(layer.Size)/1e6), nil
}

func runPush(ctx context.Context, layoutDir string, tag name.Tag, stdout io.Writer) error {
	image, err := readLayout(layoutDir)
	if err != nil {
		return err
	}
	if err := push(ctx, image, tag); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pushed %s@%s\nurl of the WasmPlugin: oci://%s\n", tag, digest, tag)
	return nil
}
