// Command check reports whether a gateway would accept a configuration of the plugin, and what it does. "make check" runs
// it:
//
//	go -C cmd run ./check token-fetch.yaml
//
//	main ──▶ manifest.Read    the file's resources, and for each plugin the JSON that its control plane makes
//	  │         └──▶ definitions    whether the API server accepts a resource, by the published CRDs
//	  └────▶ checker ──▶ internal/config    whether the plugin accepts the JSON, by its own parser
//	             └──▶ references, clusters  names in the file that lead nowhere, which only this command checks
//
// What must stay true: verdicts are those of the real gateways, all errors are reported at once, and none shows a secret.
// TestBrokenFiles and TestTakenFiles say so; TestIstioSaysTheSame of module e2e/gateways compares them with those of Istio.
//
// The exit status is 0 if the gateway would accept the configuration, and 1 otherwise.
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

// run reports whether the gateway would accept everything in the file. An error is about the file as a whole.
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

// readConfig reads one byte more than is allowed, so that a file that is too large can be told from one that just fits.
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
