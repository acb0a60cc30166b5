// Postlink turns the linked module into main.wasm:
//
//	go run ./tools/postlink -in build/linked.wasm -out main.wasm
//
// The SDK exports every callback of the Proxy-Wasm ABI, whether the plugin uses it or not, and Go's linker has no
// option to prevent that. The host enters the VM for every exported callback, several times per request: those that do
// nothing cost 4 to 8 % of the CPU of a request. exports.go says what happens to each export, and why. Everything else
// stays as linked.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	in := flag.String("in", "", "`file` to read")
	out := flag.String("out", "", "`file` to write; it may be the same")
	flag.Parse()
	if err := rewrite(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "postlink:", err)
		os.Exit(1)
	}
}

func rewrite(in, out string) error {
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if data, err = applyExports(data); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return writeFile(out, data)
}

// writeFile writes a file atomically: a gateway that watches path never sees a partial file, nor does an interrupted make leave one.
func writeFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // no effect after the rename
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
