// Package matrix runs the end-to-end tests on several versions of Envoy.
package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"token-fetch/e2e/envoy"
)

// Options say what is run.
type Options struct {
	Root     string // folder of main.wasm
	Versions []string
	Tests    string // regular expression; empty for all
	Calls    int    // requests with a token call each
	Write    bool   // the results go into the page
	Progress io.Writer
}

// PromisedCalls is how many the pages speak of.
const PromisedCalls = 200_000

// IsComplete reports whether all tests run on all versions.
func (o Options) IsComplete() bool {
	return o.Tests == "" && o.Calls >= PromisedCalls && slices.Equal(o.Versions, envoy.Versions)
}

// packages are those with the tests of the plugin in a gateway. Those of pages and tools say the same on each version.
var packages = []string{".", "./harness", "./faults", "./load"}

// callsVariable says how many requests TestManyCalls sends, with a token call each.
const callsVariable = "E2E_CALLS"

// Run runs the tests on one version after the other. An error is one of the run itself; what the tests say is in
// the results.
func Run(ctx context.Context, options Options) (Results, error) {
	if _, err := os.Stat(filepath.Join(options.Root, "main.wasm")); err != nil {
		return nil, errors.New("main.wasm missing: run make")
	}
	var results Results
	for _, version := range options.Versions {
		result, err := options.runOn(ctx, version)
		if err != nil {
			return nil, fmt.Errorf("envoy %s: %w", version, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func (o Options) runOn(ctx context.Context, version string) (*Result, error) {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, err
	}
	binary, err := envoy.Install(ctx, root, version, func(message string) { fmt.Fprintln(o.Progress, message) })
	if err != nil {
		return nil, err
	}
	began := time.Now()
	result := &Result{Version: version, progress: o.Progress}
	fmt.Fprintf(o.Progress, "Envoy %s\n", version)
	test := o.command(ctx, root, binary)
	output, err := test.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := test.Start(); err != nil {
		return nil, err
	}
	readErr := result.read(output)
	// A test that fails makes it an error too, but is known by then.
	var failed *exec.ExitError
	if err := test.Wait(); err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if failed != nil && result.Failed() == 0 {
		return nil, errors.New("go test failed, but no test did")
	}
	result.Took = time.Since(began)
	return result, readErr
}

// command is a run of the tests, of which none may come from Go's cache, and no two packages load the machine at a time.
func (o Options) command(ctx context.Context, root, binary string) *exec.Cmd {
	args := []string{"test", "-C", filepath.Join(root, "e2e"), "-json", "-count", "1", "-p", "1", "-timeout", "45m"}
	if o.Tests != "" {
		args = append(args, "-run", o.Tests)
	}
	test := exec.CommandContext(ctx, "go", append(args, packages...)...)
	test.Env = append(os.Environ(), "ENVOY="+binary, callsVariable+"="+strconv.Itoa(o.Calls))
	test.Stderr = o.Progress
	// Its tests run gateways: the whole group has to be ended, and gently.
	test.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	test.Cancel = func() error { return syscall.Kill(-test.Process.Pid, syscall.SIGTERM) }
	test.WaitDelay = 10 * time.Second
	return test
}
