// Exports removes and overrides function exports of a linked WebAssembly module:
//
//	go run ./tools/exports -keep-out proxy_on_request_body -override own_ -in build/linked.wasm -out main.wasm
//
// The SDK exports every callback of the Proxy-Wasm ABI, whether the plugin has a use
// for it or not, and Go's linker has no switch for that. The host enters the VM for each
// callback that is exported, several times per request, so that callbacks that do
// nothing cost 4 to 8 % of the CPU of a request. Nor does the linker let a program export
// a function under a name that one of its packages has taken: the plugin's own callbacks
// have a prefix until here.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"token-fetch/tools/wasm"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "exports:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("exports", flag.ContinueOnError)
	flags.SetOutput(stderr)
	in := flags.String("in", "", "`file` to read")
	out := flags.String("out", "", "`file` to write; it may be the same")
	keepOut := flags.String("keep-out", "", "comma-separated `names` of the function exports to remove")
	override := flags.String("override", "", "`prefix` of the function exports that take the place of those named as their rest")
	list := flags.Bool("list", false, "print sections, imports and exports of the file instead")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // the flag package has printed what is wrong
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *in == "":
		return errors.New("missing -in")
	case *list:
		return printModule(stdout, *in)
	case *out == "":
		return errors.New("missing -out")
	}
	return rewrite(*in, *out, splitNames(*keepOut), *override)
}

// splitNames allows blanks and line breaks around the names, as a Makefile's
// continued lines have them.
func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })
}

func rewrite(in, out string, keepOut []string, override string) error {
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	data, err = wasm.RemoveExports(data, keepOut)
	if err == nil && override != "" {
		data, err = wasm.OverrideExports(data, override)
	}
	if err != nil {
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
