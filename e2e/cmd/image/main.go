// Image packs main.wasm, or another -module, into an OCI image and pushes it, without a container engine.
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
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"token-fetch/e2e/image"
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
	module := flags.String("module", "main.wasm", "")
	revision := flags.String("revision", "", "")
	source := flags.String("source", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 1 || flags.NArg() > 2 {
		return errors.New("usage: image [-root FOLDER] [-module FILE] [-revision COMMIT] [-source URL] build|push REGISTRY/NAMESPACE/NAME:TAG")
	}
	tag, err := image.ParseName(flags.Arg(1))
	if err != nil {
		return err
	}
	layoutDir := filepath.Join(*root, "build", "image")
	switch command := flags.Arg(0); command {
	case "build":
		return runBuild(*root, layoutDir, tag, origin{*module, *revision, *source}, stdout)
	case "push":
		return runPush(ctx, layoutDir, tag, stdout)
	default:
		return fmt.Errorf("unknown command %q (want build or push)", command)
	}
}

// origin is what the image is made of: the plugin's file, and where that comes from, as far as the caller knows.
type origin struct{ module, revision, source string }

func runBuild(root, layoutDir string, tag name.Tag, from origin, stdout io.Writer) error {
	module, err := image.ReadModule(filepath.Join(root, from.module))
	if err != nil {
		return err
	}
	about, err := image.ReadInfo(filepath.Join(root, "spec.yaml"))
	if err != nil {
		return err
	}
	about.Revision, about.Source = from.revision, from.source
	packed, err := image.New(module, about)
	if err != nil {
		return err
	}
	if err := image.WriteLayout(layoutDir, packed, tag); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	summary, err := summarize(packed)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "build/image: version %s, %s\npush it: make push IMAGE=%s\n", about.Version, summary, tag)
	return nil
}

// summarize names what decides whether a gateway can read the image.
func summarize(packed v1.Image) (string, error) {
	manifest, err := packed.Manifest()
	if err != nil {
		return "", err
	}
	digest, err := packed.Digest()
	if err != nil {
		return "", err
	}
	layer := manifest.Layers[len(manifest.Layers)-1]
	return fmt.Sprintf("%s, %s, layer %s (%.1f MB)",
		digest, manifest.MediaType, layer.MediaType, float64(layer.Size)/1e6), nil
}

func runPush(ctx context.Context, layoutDir string, tag name.Tag, stdout io.Writer) error {
	packed, err := image.ReadLayout(layoutDir)
	if err != nil {
		return err
	}
	if err := image.Push(ctx, packed, tag); err != nil {
		return err
	}
	digest, err := packed.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pushed %s@%s\nurl of the WasmPlugin: oci://%s\n", tag, digest, tag)
	return nil
}
