// Command schema writes docs/config.schema.json, by which editors complete and check a configuration, from the keys that the
// parser reads and their descriptions in spec.yaml. It is what "make schema" runs.
//
// spec.yaml, for the console and other tools of Higress, is written by hand. It must have the names, types, limits and
// defaults that the code declares.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"token-fetch/internal/config"
)

const (
	specFile   = "spec.yaml"
	schemaFile = "docs/config.schema.json"
)

func main() {
	root := flag.String("root", "..", "folder of spec.yaml")
	flag.Parse()
	text, err := generate(*root)
	if err == nil {
		err = os.WriteFile(filepath.Join(*root, schemaFile), text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func generate(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, specFile))
	if err != nil {
		return nil, err
	}
	s, err := parseSpec(text)
	if err == nil {
		err = errors.Join(s.checkObject("", config.Root)...)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", specFile, err)
	}
	return writeJSONSchema(config.Root, s.describe)
}
