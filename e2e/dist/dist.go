// Package dist puts together what is published of a version: the plugin's files, what they are made of, the image, and
// the checksums of all.
package dist

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files are the plugin's, and the build tags of each.
var Files = []struct{ Name, Tags string }{
	{"main.wasm", ""},
	{"main-redis.wasm", "redis"},
}

// Checksums is the name of the file that has them, as sha256sum -c reads it.
const Checksums = "SHA256SUMS"

// Make fills the folder, which is emptied before. The plugin's files and the image's layout must have been built.
func Make(root, image, folder, version string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, file := range Files {
		data, err := os.ReadFile(filepath.Join(root, file.Name))
		if err != nil {
			return err
		}
		sbom, err := SBOM(root, file.Name, version, file.Tags)
		if err != nil {
			return err
		}
		for name, content := range map[string][]byte{file.Name: data, strings.TrimSuffix(file.Name, ".wasm") + ".cdx.json": sbom} {
			if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
				return err
			}
		}
	}
	if err := os.CopyFS(filepath.Join(folder, "image"), os.DirFS(image)); err != nil {
		return err
	}
	sums, err := checksums(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, Checksums), []byte(sums), 0o644)
}

func checksums(folder string) (string, error) {
	var sums strings.Builder
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, path))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), path)
		return err
	})
	return sums.String(), err
}
