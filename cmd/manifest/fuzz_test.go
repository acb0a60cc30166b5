package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

// Whatever a file has, it is read or refused in one line.
func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob("../check/testdata/*/*")
	if err != nil || len(paths) < 100 {
		f.Fatalf("got %d files (%v), expected those of make check's tests", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := manifest.Read([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("got an error of several lines: %q", err)
			}
			return
		}
		if len(file.Plugins) == 0 {
			t.Error("got neither a configuration nor an error")
		}
		for _, p := range file.Plugins {
			for _, err := range p.Errs {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got an error of several lines: %q", p.Name, err)
				}
			}
		}
	})
}
