package dist

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const root = "../.."

func TestMake(t *testing.T) {
	source, image, folder := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "dist")
	for _, name := range []string{"go.mod", "go.sum"} { // what go list needs of the repository
		copyFile(t, filepath.Join(root, name), filepath.Join(source, name))
	}
	write(t, filepath.Join(source, "main.go"), "package main\n\nimport _ \"github.com/tidwall/gjson\"\n\nfunc main() {}\n")
	for _, file := range Files {
		write(t, filepath.Join(source, file.Name), "module "+file.Name)
	}
	write(t, filepath.Join(image, "index.json"), "{}")
	write(t, filepath.Join(folder, "old"), "of an earlier version")
	if err := Make(source, image, folder, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	var got []string
	sums := read(t, filepath.Join(folder, Checksums))
	for _, line := range strings.Split(strings.TrimSpace(sums), "\n") {
		_, name, _ := strings.Cut(line, "  ")
		got = append(got, name)
	}
	want := []string{"image/index.json", "main-redis.cdx.json", "main-redis.wasm", "main.cdx.json", "main.wasm"}
	if !slices.Equal(got, want) {
		t.Errorf("got checksums of %q, expected those of %q", got, want)
	}
	check := exec.Command("sha256sum", "--check", "--strict", Checksums)
	check.Dir = folder
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v: %s", err, output)
	}
	if _, err := os.Stat(filepath.Join(folder, "old")); err == nil {
		t.Error("got a file of an earlier version, expected none")
	}
}

// The plugin's own list has what is linked in, with licences, and nothing of its tests; twice the same.
func TestSBOM(t *testing.T) {
	data, err := SBOM(root, "main.wasm", "1.2.3", "")
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	licenses := map[string]string{}
	for _, c := range *bom.Components {
		if c.Version == "" || c.Licenses == nil {
			t.Errorf("%s: got the version %q and the licences %v, expected both", c.Name, c.Version, c.Licenses)
			continue
		}
		licenses[c.Name] = (*c.Licenses)[0].License.ID
	}
	for name, want := range map[string]string{
		"std": "BSD-3-Clause", "github.com/tidwall/gjson": "MIT", "github.com/higress-group/proxy-wasm-go-sdk": "Apache-2.0", "github.com/higress-group/wasm-go": "Apache-2.0",
	} {
		if licenses[name] != want {
			t.Errorf("%s: got the licence %q, expected %q", name, licenses[name], want)
		}
	}
	if _, found := licenses["github.com/stretchr/testify"]; found {
		t.Error("got a module of the tests, expected what is linked in only")
	}
	again, err := SBOM(root, "main.wasm", "1.2.3", "")
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("got another list the second time (%v), expected the same", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	write(t, to, read(t, from))
}
