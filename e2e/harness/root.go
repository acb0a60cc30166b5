package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Root is the folder of the plugin's module, which has its spec.yaml, looked for from the working folder upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "spec.yaml")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no folder above this one has the spec.yaml of token-fetch")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// Wasm returns the path of the built plugin, or an error if it has not been built.
func Wasm() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "main.wasm")
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("main.wasm missing: run make")
	}
	return path, nil
}

// ReadProjectFile reads a file of the plugin's module, by its path from the root.
func ReadProjectFile(t testing.TB, path ...string) []byte {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// WasmWithFaults is the path of the plugin with the code that panics or traps as the variable FAULT of its environment says,
// and with the callbacks that main.wasm has. It is built when a test first asks for it.
func WasmWithFaults(t testing.TB) string {
	t.Helper()
	wasm, err := buildWithFaults()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

var buildWithFaults = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	linked, wasm := filepath.Join(root, "build", "linked-faults.wasm"), filepath.Join(root, "build", "faults.wasm")
	build := exec.Command("tools/build", "-tags", "faults", "-o", linked, ".")
	override := exec.Command("go", "run", "./tools/postlink", "-in", linked, "-out", wasm)
	for _, command := range []*exec.Cmd{build, override} {
		command.Dir = root
		if output, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, output)
		}
	}
	return wasm, nil
})
