// Command schema writes what a configuration may have, from the keys that the parser reads: docs/config.schema.json, by
// which editors complete and check, and the schema in spec.yaml, for the console and other tools of Higress. It is what
// "make schema" runs.
//
// Names, types, limits and defaults are those of the keys. What keys mean is written by hand in spec.yaml; a new key gets
// its place there, and the description is left to whoever adds it.
package main

import (
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
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	text, err := os.ReadFile(filepath.Join(root, specFile))
	if err != nil {
		return err
	}
	s, err := parseSpec(text)
	if err != nil {
		return err
	}
	s.setKeys(config.Root)
	// The places of new keys come first, so that their descriptions can be written there.
	text, err = s.text()
	if err == nil {
		err = os.WriteFile(filepath.Join(root, specFile), text, 0o644)
	}
	if err != nil {
		return err
	}
	text, err = writeJSONSchema(config.Root, s.describe)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, schemaFile), text, 0o644)
}
