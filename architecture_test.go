package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	thisModule = "token-fetch/"
	sdk        = "github.com/higress-group/proxy-wasm-go-sdk"
	wasmGo     = "github.com/higress-group/wasm-go"
	gjsonPath  = "github.com/tidwall/gjson"
)

// mayImport is what the packages may import beside the standard library. The core knows no host: what can be
// plugged in is plugged in by main.
var mayImport = map[string][]string{
	".":                     {thisModule + "internal/", sdk, wasmGo, gjsonPath},
	"internal/template":     nil,
	"internal/schema":       {thisModule + "internal/template", gjsonPath},
	"internal/tokenservice": {thisModule + "internal/schema", thisModule + "internal/template", thisModule + "internal/token", gjsonPath},
	"internal/token":        nil,
	"internal/cache":        {thisModule + "internal/schema", thisModule + "internal/token"},
	"internal/share":        {thisModule + "internal/schema", thisModule + "internal/token"},
	"internal/rules":        nil,
	"internal/config":       {thisModule + "internal/", gjsonPath},
	"internal/abi":          {sdk},
	"internal/fault":        nil,
}

func TestImports(t *testing.T) {
	folders, err := filepath.Glob("internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range append(folders, ".") {
		if folder == "internal/fuzzing" || folder == "internal/redistest" {
			continue // for tests
		}
		allowed, known := mayImport[folder]
		if !known {
			t.Errorf("%s: nothing is said of what it may import", folder)
		}
		for file, imports := range importsOf(t, folder) {
			for _, path := range imports {
				isStandard := !strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, thisModule)
				if !isStandard && !slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
					t.Errorf("%s imports %s, expected only %v", file, path, allowed)
				}
			}
		}
	}
}

// importsOf lists the imports of the files of a folder that are not tests.
func importsOf(t *testing.T, folder string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, path := range sources(t, folder) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[path] = append(found[path], imported)
		}
	}
	return found
}

func sources(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
}

// Who opens the repository sees the architecture from the names of few files, none of which is long.
func TestFilesAtTheTop(t *testing.T) {
	files := sources(t, ".")
	if len(files) > 14 {
		t.Errorf("%d Go files at the top, expected at most 14: %v", len(files), files)
	}
	for folder := range mayImport {
		for _, path := range sources(t, folder) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(string(data), "\n"); lines > 250 {
				t.Errorf("%s has %d lines, expected at most 250", path, lines)
			}
		}
	}
}
