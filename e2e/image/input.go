package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Info describes the plugin. All but the last two stands in spec.yaml.
type Info struct {
	Title       string
	Description string
	Version     string
	Revision    string `yaml:"-"` // the commit that the plugin was built from; may be empty
	Source      string `yaml:"-"` // URL of the repository; may be empty
}

// ReadInfo reads spec.yaml.
func ReadInfo(path string) (Info, error) {
	var spec struct{ Info Info }
	data, err := os.ReadFile(path)
	if err != nil {
		return Info{}, err
	}
	if err := yaml.Unmarshal(data, &spec); err != nil {
		return Info{}, fmt.Errorf("%s: %w", path, err)
	}
	if spec.Info.Title == "" || spec.Info.Description == "" || spec.Info.Version == "" {
		return Info{}, fmt.Errorf("%s: title, description or version is missing in info", path)
	}
	return spec.Info, nil
}

// ReadModule reads main.wasm.
func ReadModule(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: run make %s first", filepath.Base(path), target(path))
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte("\x00asm")) {
		return nil, fmt.Errorf("%s is no WebAssembly module: run make %s again", filepath.Base(path), target(path))
	}
	return data, nil
}

// target is what make builds the module by.
func target(path string) string {
	if filepath.Base(path) == "main-redis.wasm" {
		return "redis"
	}
	return "build"
}
