package gateways_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"sigs.k8s.io/yaml"

	"token-fetch/e2e/harness"
	"token-fetch/internal/config"
)

var (
	distFolder string
	makeDist   sync.Once
)

func TestMain(m *testing.M) {
	var err error
	if distFolder, err = os.MkdirTemp("", "dist"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(distFolder)
	os.Exit(code)
}

// dist returns the folder that make dist has filled, once for all tests.
func dist(t *testing.T) string {
	t.Helper()
	makeDist.Do(func() { runMake(t, harness.Root(t), "dist", "DIST="+distFolder, "BUILD="+t.TempDir()) })
	return distFolder
}

func readFile(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// version is the plugin's, by spec.yaml.
func version(t *testing.T) string {
	t.Helper()
	var spec struct{ Info struct{ Version string } }
	if err := yaml.Unmarshal(readFile(t, harness.Root(t), "spec.yaml"), &spec); err != nil {
		t.Fatal(err)
	}
	return spec.Info.Version
}

// What is published is what was tested: the files that the tests run on, and nothing that was built for it anew.
func TestDistHasTheTestedFiles(t *testing.T) {
	root := harness.Root(t)
	for _, name := range []string{"main.wasm", "main-redis.wasm"} {
		if !bytes.Equal(readFile(t, dist(t), name), readFile(t, root, name)) {
			t.Errorf("%s: got another file than that of the tests", name)
		}
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dist(t), "image"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	_, image := pushed(t)
	if digest, err := image.Digest(); err != nil || manifest.Manifests[0].Digest != digest {
		t.Errorf("got the image %s, expected that of make push, %s (%v)", manifest.Manifests[0].Digest, digest, err)
	}
}

func TestDistHasChecksumsOfAll(t *testing.T) {
	var want []string
	err := fs.WalkDir(os.DirFS(dist(t)), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path != "SHA256SUMS" {
			want = append(want, fmt.Sprintf("%x  %s", sha256.Sum256(readFile(t, dist(t), path)), path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(readFile(t, dist(t), "SHA256SUMS"))), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The SBOM lists the linked modules with their licences, and no test dependencies.
func TestDistListsWhatIsLinkedIn(t *testing.T) {
	for _, name := range []string{"main.cdx.json", "main-redis.cdx.json"} {
		var bom struct {
			Metadata struct {
				Component struct{ Name, Version string }
			}
			Components []struct {
				Name, Version string
				Licenses      []struct{ License struct{ ID string } }
			}
		}
		if err := json.Unmarshal(readFile(t, dist(t), name), &bom); err != nil {
			t.Fatal(err)
		}
		if about := bom.Metadata.Component; about.Name != "token-fetch" || about.Version != "v"+version(t) {
			t.Errorf("%s: got %s %s, expected token-fetch v%s", name, about.Name, about.Version, version(t))
		}
		licenses := map[string]string{}
		for _, c := range bom.Components {
			licenses[c.Name] = ""
			if len(c.Licenses) > 0 {
				licenses[c.Name] = c.Licenses[0].License.ID
			}
		}
		for module, want := range map[string]string{
			"std": "", "github.com/tidwall/gjson": "MIT",
			"github.com/higress-group/proxy-wasm-go-sdk": "Apache-2.0", "github.com/higress-group/wasm-go": "Apache-2.0",
		} {
			if got, found := licenses[module]; !found || got != want {
				t.Errorf("%s: %s: got the licence %q, expected %q", name, module, got, want)
			}
		}
		if _, found := licenses["github.com/stretchr/testify"]; found {
			t.Errorf("%s: got a module of the tests, expected what is linked in only", name)
		}
	}
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	linked   = regexp.MustCompile(`\]\(([^)]*)\)`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} -]`)
)

// Higress' market takes these four files; of a page, it reads the front matter and shows the rest.
func TestBundleForHigress(t *testing.T) {
	bundle := filepath.Join(dist(t), "higress")
	if got := strings.TrimSpace(string(readFile(t, bundle, "VERSION"))); got != version(t) {
		t.Errorf("VERSION: got %s, expected %s", got, version(t))
	}
	if !bytes.Equal(readFile(t, bundle, "spec.yaml"), readFile(t, harness.Root(t), "spec.yaml")) {
		t.Error("spec.yaml: got another file than the project's")
	}
	for name, headings := range map[string][]string{
		"README.md":    {"功能说明", "运行属性", "配置字段", "配置示例"},
		"README_EN.md": {"Function Description", "Operating Attributes", "Configuration Fields", "Configuration Example"},
	} {
		page := string(readFile(t, bundle, name))
		_, rest, _ := strings.Cut(page, "---\n")
		front, body, _ := strings.Cut(rest, "---\n")
		var about struct {
			Title, Description string
			Keywords           []string
		}
		if err := yaml.UnmarshalStrict([]byte(front), &about); err != nil || about.Title == "" || about.Description == "" || len(about.Keywords) == 0 {
			t.Errorf("%s: got the front matter %+v (%v), expected title, keywords and description", name, about, err)
		}
		anchors := map[string]bool{}
		for _, found := range heading.FindAllStringSubmatch(body, -1) {
			anchors["#"+strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-")] = true
		}
		for _, want := range headings {
			if !strings.Contains(body, "\n## "+want+"\n") {
				t.Errorf("%s: got no heading %q, expected one", name, want)
			}
		}
		for _, key := range []string{"serviceName", "oauth2", "refreshBefore", "clientSecret", "contentType"} { // of each table
			if !strings.Contains(body, "| `"+key+"` |") {
				t.Errorf("%s: got no row for %s, expected all keys", name, key)
			}
		}
		for _, link := range linked.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(link[1], "https://") && !anchors[link[1]] {
				t.Errorf("%s: the link %q leads nowhere", name, link[1])
			}
		}
	}
}

var manifestConfig = regexp.MustCompile(`--config '(.*)'`)

// The manifest is held against what Built On Envoy asks for (extensions/manifest.schema.json there), and its examples
// against the plugin.
func TestBundleForBuiltOnEnvoy(t *testing.T) {
	bundle := filepath.Join(dist(t), "built-on-envoy")
	var manifest struct {
		Name, Version, MinEnvoyVersion, Author, Description, LongDescription, Type, License string
		Categories, Tags                                                                    []string
		Examples                                                                            []struct{ Title, Description, Code string }
	}
	if err := yaml.UnmarshalStrict(readFile(t, bundle, "manifest.yaml"), &manifest); err != nil {
		t.Fatal(err)
	}
	for _, field := range []struct{ name, text, pattern string }{
		{"name", manifest.Name, `^[a-z][.a-z0-9-_]*$`},
		{"version", manifest.Version, `^` + regexp.QuoteMeta(version(t)) + `$`},
		{"minEnvoyVersion", manifest.MinEnvoyVersion, `^\d+\.\d+\.\d+$`},
		{"author", manifest.Author, `.`},
		{"description", manifest.Description, `^.{1,200}$`},
		{"longDescription", manifest.LongDescription, `.`},
		{"type", manifest.Type, `^wasm$`},
		{"license", manifest.License, `^Apache-2.0$`},
		{"categories", strings.Join(manifest.Categories, " "), `^Authentication Security$`},
		{"tags", strings.Join(manifest.Tags, " "), `^[a-z][a-z0-9-]*( [a-z][a-z0-9-]*)*$`},
	} {
		if !regexp.MustCompile(field.pattern).MatchString(field.text) {
			t.Errorf("%s: got %q, expected %s", field.name, field.text, field.pattern)
		}
	}
	if len(manifest.Examples) == 0 {
		t.Error("got no examples, expected some")
	}
	for _, example := range manifest.Examples {
		found := manifestConfig.FindStringSubmatch(example.Code)
		if example.Title == "" || example.Description == "" || found == nil {
			t.Fatalf("got the example %+v, expected title, description and a configuration", example)
		}
		noVariables := func(string) (string, bool) { return "", false }
		if _, err := config.Parse([]byte(found[1]), noVariables, config.Features{}); err != nil {
			t.Errorf("%s: %v", example.Title, err)
		}
	}
	if !bytes.Equal(readFile(t, bundle, "config.schema.json"), readFile(t, harness.Root(t), "docs", "config.schema.json")) {
		t.Error("config.schema.json: got another schema than the project's")
	}
}
