package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const projectRoot = "../.."

// What is written is what the keys are; nothing is lost of what is written by hand.
func TestFilesAreUpToDate(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, specFile), read(t, projectRoot, specFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{specFile, schemaFile} {
		got, want := strings.Split(string(read(t, projectRoot, name)), "\n"), strings.Split(string(read(t, root, name)), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("%s, line %d: got %q, expected %q; run make schema", name, i+1, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
				break
			}
		}
	}
}

// The console shows the Chinese texts. A key without them is as good as any other, so that they may come later.
func TestWhatIsNotTranslated(t *testing.T) {
	s, err := parseSpec(read(t, projectRoot, specFile))
	if err != nil {
		t.Fatal(err)
	}
	visit(s.schema, "", func(path string, key *yaml.Node) {
		if text(key, "description") == "" {
			t.Errorf("%s: spec.yaml has no description", path)
		}
		if at(key, "x-title-i18n", "zh-CN") == nil || at(key, "x-description-i18n", "zh-CN") == nil {
			t.Logf("%s: title or description is not translated into Chinese", path)
		}
	})
}

// What the market shows of a plugin, and by which it is found.
func TestMarketFields(t *testing.T) {
	s, err := parseSpec(read(t, projectRoot, specFile))
	if err != nil {
		t.Fatal(err)
	}
	info := at(s.document.Content[0], "info")
	for _, name := range []string{"gatewayMinVersion", "type", "category", "name", "title", "description", "iconUrl", "version"} {
		if text(info, name) == "" {
			t.Errorf("info.%s: spec.yaml has none", name)
		}
	}
	if text(at(info, "x-title-i18n"), "zh-CN") == "" || text(at(info, "x-description-i18n"), "zh-CN") == "" || text(at(info, "contact"), "name") == "" {
		t.Error("info: spec.yaml has no Chinese title or description, or no contact")
	}
}

func visit(node *yaml.Node, prefix string, see func(path string, key *yaml.Node)) {
	properties := at(node, "properties")
	if properties == nil {
		return
	}
	for i := 0; i < len(properties.Content); i += 2 {
		path, key := prefix+properties.Content[i].Value, properties.Content[i+1]
		see(path, key)
		visit(key, path+".", see)
		visit(at(key, "items"), path+"[].", see)
	}
}

func read(t *testing.T, root, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
