// Command check says whether a gateway would take a configuration of the plugin, and what comes of it. It is what
// "make check" runs:
//
//	go -C cmd run ./check token-fetch.yaml
//
// What is wrong is found by those who would refuse it: resources by the gateways' published definitions (package
// definitions), Envoy's configuration by Envoy's messages (package manifest), and what of it the plugin gets by the plugin's
// own parser (internal/config). What they can't know, references within the file, is checked here.
//
// It exits with 0 when the gateway would take it, and with 1 otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"

	"token-fetch/cmd/manifest"
)

func main() {
	ok, err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

const usage = "want make check CONFIG=FILE, the plugin's YAML or JSON or a manifest, for example CONFIG=token-fetch.yaml, or CONFIG=- for standard input"

// run reports whether the gateway would take all that the file has. An error is about the file as a whole.
func run(args []string, stdin io.Reader, stdout io.Writer) (bool, error) {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is enough
	namespace := flags.String("higress-namespace", "higress-system", "namespace of Higress' controller, the only one whose resources it reads")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return false, errors.New("missing CONFIG: " + usage)
	}
	path := flags.Arg(0)
	data, err := readConfig(path, stdin)
	if err != nil {
		return false, err
	}
	if path == "-" {
		path = "standard input"
	}
	file, err := manifest.Read(data)
	if err != nil {
		return false, errors.New(printable(path + ": " + err.Error()))
	}
	return checker{file, *namespace, os.LookupEnv}.check(path, stdout), nil
}

// readConfig reads one byte more than is allowed, so that a larger file is told from one of that size.
func readConfig(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, manifest.MaxBytes+1))
	}
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
