package harness

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Root is the folder of the plugin's module, looked for from the working folder upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if moduleName(filepath.Join(dir, "go.mod")) == "token-fetch" {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no folder above this one has the go.mod of module token-fetch")
		}
		dir = parent
	}
}

// moduleName is empty when there is no such file or no module line in it.
func moduleName(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, found := strings.CutPrefix(lines.Text(), "module "); found {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// Wasm is the path of the built plugin; an error says that it has to be built first.
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
