package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"
)

// info is the part of spec.yaml that describes the plugin.
type info struct {
	Title       string
	Description string
	Version     string
}

func readInfo(path string) (info, error) {
	var spec struct{ Info info }
	data, err := os.ReadFile(path)
	if err != nil {
		return info{}, err
	}
	if err := yaml.Unmarshal(data, &spec); err != nil {
		return info{}, fmt.Errorf("%s: %w", path, err)
	}
	if spec.Info.Title == "" || spec.Info.Description == "" || spec.Info.Version == "" {
		return info{}, fmt.Errorf("%s: title, description or version is missing in info", path)
	}
	return spec.Info, nil
}

func readModule(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("main.wasm is missing: run make build first")
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte("\x00asm")) {
		return nil, errors.New("main.wasm is no WebAssembly module: run make build again")
	}
	return data, nil
}
