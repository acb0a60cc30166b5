package vm

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// What make build does to the linked file's data changes nothing of the memory that the plugin begins with.
func TestMemoryIsThatOfTheLinkedFile(t *testing.T) {
	linked := memoryOf(t, filepath.Join("..", "..", "build", "linked.wasm"))
	main := memoryOf(t, filepath.Join("..", "..", "main.wasm"))
	if len(linked) != len(main) {
		t.Fatalf("main.wasm has %d bytes of memory, the linked file %d", len(main), len(linked))
	}
	for i := range linked {
		if linked[i] != main[i] {
			t.Fatalf("at address %d main.wasm has %#x, the linked file %#x", i, main[i], linked[i])
		}
	}
	if len(bytes.Trim(main, "\x00")) < 1<<20 {
		t.Errorf("got a memory of nothing but zeros, expected the program's data")
	}
}

// memoryOf is a file's memory right after it was loaded, before the host calls anything.
func memoryOf(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = runtime.Close(ctx) })
	compiled, err := runtime.CompileModule(ctx, data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		t.Fatal(err)
	}
	if err := exportHost(ctx, runtime, compiled.ImportedFunctions()); err != nil {
		t.Fatal(err)
	}
	module, err := runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	memory, ok := module.Memory().Read(0, module.Memory().Size())
	if !ok {
		t.Fatal("the memory can't be read")
	}
	return bytes.Clone(memory)
}
