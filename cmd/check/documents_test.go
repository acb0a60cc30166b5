package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

// written is a configuration that a page or a file of the repository has for its readers.
type written struct {
	name string // where it stands
	text string
}

var (
	yamlBlock = regexp.MustCompile("(?ms)^```ya?ml\n(.*?)^```")
	// ours is what tells the plugin's configurations from other YAML.
	inCommand = regexp.MustCompile(`--config '(\{.*\})'`)
	ours      = regexp.MustCompile(`(?m)^\s*service(Name|Cluster):|"service(Name|Cluster)"|^kind: (WasmPlugin|TrafficExtension|EnvoyExtensionPolicy)$`)
)

// writtenConfigurations are those of the README, the pages below docs/, envoy.yaml and the manifests below deploy/.
func writtenConfigurations(t *testing.T) []written {
	t.Helper()
	root := projectRoot
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []written
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllSubmatchIndex(text, -1) {
			line := 1 + strings.Count(string(text[:block[0]]), "\n")
			found = append(found, written{filepath.Base(page) + ":" + strconv.Itoa(line), string(text[block[2]:block[3]])})
		}
	}
	files := []string{filepath.Join(root, "envoy.yaml")}
	err = filepath.WalkDir(filepath.Join(root, "deploy"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(path, root+string(filepath.Separator))
		commands := inCommand.FindAllSubmatch(text, -1)
		for _, command := range commands {
			found = append(found, written{name, string(command[1])})
		}
		if len(commands) == 0 {
			found = append(found, written{name, string(text)})
		}
	}
	return slices.DeleteFunc(found, func(w written) bool { return !ours.MatchString(w.text) || strings.HasPrefix(w.text, "# wrong.yaml\n") })
}

// What readers copy, a gateway takes.
func TestWrittenConfigurations(t *testing.T) {
	configurations := writtenConfigurations(t)
	if len(configurations) < 12 {
		t.Fatalf("got %d configurations, expected the recipes, the manifests and envoy.yaml at least", len(configurations))
	}
	for _, w := range configurations {
		t.Run(w.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "written.yaml")
			if err := os.WriteFile(path, []byte(w.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if printed, ok := checkFile(t, path); !ok {
				t.Errorf("it is not taken:\n%s", printed)
			}
		})
	}
}

// The rows of docs/oauth2.md, "Other services": a link to a recipe, and what a rule over it has.
func TestVariationsOfRecipes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(projectRoot, "docs", "oauth2.md"))
	if err != nil {
		t.Fatal(err)
	}
	recipes := map[string]string{}
	for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
		if name, config, isRecipe := strings.Cut(strings.TrimPrefix(block[1], "# recipe: "), "\n"); isRecipe {
			recipes[name] = config
		}
	}
	rows := regexp.MustCompile("(?m)^\\| ([^|]+) \\| \\[([^]]+)]\\(#[^)]+\\) \\| `\\{(.+)}` \\|").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 20 {
		t.Fatalf("got %d rows, expected 20 or more", len(rows))
	}
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			recipe := recipes[row[2]]
			if recipe == "" {
				t.Fatalf("there is no recipe %q", row[2])
			}
			path := filepath.Join(t.TempDir(), "variation.yaml")
			text := recipe + "_rules_:\n- {_match_domain_: [a.example.com], " + row[3] + "}\n"
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if printed, ok := checkFile(t, path); !ok || strings.Contains(printed, "is not used") {
				t.Errorf("it is not taken as it is:\n%s\n%s", text, printed)
			}
		})
	}
}

// The page shows files with their output: each "yaml" block is followed by a "text" block.
func TestPageShowsWhatIsPrinted(t *testing.T) {

	page, err := os.ReadFile(filepath.Join(projectRoot, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?ms)^```yaml\n# (\\S+)\n(.*?)^```\n.*?^```text\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(shown) < 2 {
		t.Fatalf("got %d files with what is printed, expected at least 2", len(shown))
	}
	t.Chdir(t.TempDir())
	for _, example := range shown {
		name, text, want := example[1], "# "+example[1]+"\n"+example[2], example[3]
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, _ := checkFile(t, name); got != want {
			t.Errorf("%s: got\n%s\nexpected, from docs/configuration.md,\n%s", name, got, want)
		}
	}
}

// loaded are the configurations of a text, as the plugin gets them.
func loaded(t *testing.T, text string) [][]byte {
	t.Helper()
	file, err := manifest.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var configs [][]byte
	for _, p := range file.Plugins {
		configs = append(configs, p.Config)
	}
	return configs
}
