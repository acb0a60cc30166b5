// Postlink makes main.wasm of the linked module:
//
//	go run ./tools/postlink -in build/linked.wasm -out main.wasm
//
// and, with -imports, what any Envoy takes of another plugin that is built with Go.
//
// The SDK exports every callback of the Proxy-Wasm ABI, whether the plugin has a use
// for it or not, and Go's linker has no switch for that. The host enters the VM for each
// callback that is exported, several times per request, so that callbacks that do
// nothing cost 4 to 8 % of the CPU of a request. What is done to each export, and why, stands in
// exports.go.
//
// Go's standard library imports functions of WASI that some hosts lack, or answer with an error that
// Go takes for fatal. Which ones become functions of the file itself, and why the others may stay, stands in imports.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	err := run(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "postlink:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("postlink", flag.ContinueOnError)
	flags.SetOutput(stderr)
	in := flags.String("in", "", "`file` to read")
	out := flags.String("out", "", "`file` to write; it may be the same")
	importsOnly := flags.Bool("imports", false, "only the imports: for another plugin than this one, whose exports stay")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // the flag package has printed what is wrong
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *in == "":
		return errors.New("missing -in")
	case *out == "":
		return errors.New("missing -out")
	}
	change := apply
	if *importsOnly {
		change = applyImports
	}
	return rewrite(*in, *out, change)
}

// apply makes the file that hosts are given of the linked one.
func apply(data []byte) ([]byte, error) {
	data, err := applyExports(data)
	if err != nil {
		return nil, err
	}
	return applyImports(data)
}

func rewrite(in, out string, change func([]byte) ([]byte, error)) error {
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if data, err = change(data); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return writeFile(out, data)
}

// writeFile puts a whole file in place in one step: a gateway that watches path, or a
// make that was interrupted, never sees half of it.
func writeFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // does nothing after the renaming
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
