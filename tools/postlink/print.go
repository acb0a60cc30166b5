package main

import (
	"fmt"
	"io"
	"os"

	"token-fetch/tools/wasm"
)

// printModule writes one line for each section, import and export of a file, in the
// order of the file.
func printModule(w io.Writer, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	m, err := wasm.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range m.Sections {
		fmt.Fprintf(w, "section %2d %9d bytes %s\n", s.ID, s.Size, s.Name)
	}
	for _, i := range m.Imports {
		fmt.Fprintf(w, "import %s.%s %s\n", i.Module, i.Name, i.Kind)
	}
	for _, e := range m.Exports {
		fmt.Fprintf(w, "export %s %s\n", e.Name, e.Kind)
	}
	return nil
}
