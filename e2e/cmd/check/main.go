// Check says whether a gateway would take a configuration of the plugin, and what comes of it. It is what
// "make check" runs:
//
//	go run ./cmd/check token-fetch.yaml
//
// It exits with 0 when the gateway would take it, and with 1 otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"token-fetch/e2e/manifest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

const usage = "want make check CONFIG=FILE, the plugin's YAML or JSON or a manifest, for example CONFIG=token-fetch.yaml"

// run reports whether the gateway would take all that the file has. An error is about the file as a whole.
func run(ctx context.Context, args []string, stdout io.Writer) (bool, error) {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is enough
	root := flags.String("root", "..", "")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return false, errors.New("missing CONFIG: " + usage)
	}
	path := flags.Arg(0)
	data, err := readConfig(path)
	if err != nil {
		return false, err
	}
	file, err := manifest.Read(data)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	plugins := &modules{root: *root}
	defer plugins.close(ctx)
	return checker{plugins, os.LookupEnv}.checkFile(ctx, path, file, stdout)
}

// readConfig reads one byte more than is allowed, so that a larger file is told from one of that size.
func readConfig(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("invalid CONFIG: there is no file %s (%s)", path, usage)
	}
	if err != nil {
		return nil, fmt.Errorf("invalid CONFIG: %w", err)
	}
	defer file.Close()
	if about, err := file.Stat(); err == nil && about.IsDir() {
		return nil, fmt.Errorf("invalid CONFIG: %s is a folder (%s)", path, usage)
	}
	return io.ReadAll(io.LimitReader(file, manifest.MaxBytes+1))
}
