// Postlink makes main.wasm of the linked module:
//
//	go run ./tools/postlink -in build/linked.wasm -out main.wasm
//
// The SDK exports every callback of the Proxy-Wasm ABI, whether the plugin has a use for it or not, and Go's linker has
// no switch for that. The host enters the VM for each callback that is exported, several times per request: those that
// do nothing cost 4 to 8 % of the CPU of a request. exports.go has what is done to each export, and why. All else stays
// as it was linked.
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

// writeFile puts a whole file in place in one step: a gateway that watches path, or a make that was interrupted, never
// sees half of it.
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
