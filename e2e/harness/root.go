package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Root is the folder of the plugin's module, which has its spec.yaml, looked for from the working folder upwards.
func Root(t testing.TB) string {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func findRoot() (string, error) {
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

// Wasm is the path of the built plugin.
func Wasm(t testing.TB) string {
	t.Helper()
	path := filepath.Join(Root(t), "main.wasm")
	if _, err := os.Stat(path); err != nil {
		t.Fatal("main.wasm missing: run make")
	}
	return path
}

// ReadProjectFile reads a file of the plugin's module, by its path from the root.
func ReadProjectFile(t testing.TB, path ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root(t), filepath.Join(path...)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// FreePorts returns ports of loopback that were free a moment ago.
func FreePorts(t testing.TB, count int) (ports []int) {
	t.Helper()
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // not before all are known, so that they differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
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
	root, err := findRoot()
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
