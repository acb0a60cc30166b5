package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"token-fetch/internal/config"
)

const projectRoot = "../.."

func TestSchemaIsUpToDate(t *testing.T) {
	text, err := generate(projectRoot)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(read(t, schemaFile), "\n"), strings.Split(string(text), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s, line %d: got %q, expected %q; run make schema", schemaFile, i+1, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
		}
	}
}

// Whoever adds or changes a key learns what spec.yaml must have.
func TestSpecThatDiffers(t *testing.T) {
	text := read(t, specFile)
	for name, test := range map[string]struct{ old, changed, want string }{
		"a missing key":   {"\n        servicePort:", "\n        servicePrt:", "servicePort: it is missing\nservicePrt: there is no such key"},
		"a type":          {"type: integer\n          minimum: 1\n          maximum: 65535", "type: number\n          minimum: 1\n          maximum: 65535", "servicePort: got type number, expected integer"},
		"a limit":         {"maximum: 65535", "maximum: 65536", "servicePort: got maximum 65536, expected 65535"},
		"a default":       {"default: 80", "default: 81", "servicePort: got default 81, expected 80"},
		"allowed values":  {"enum: [GET, HEAD,", "enum: [GET,", "requestMethod: got enum [GET POST PUT PATCH DELETE OPTIONS], expected [GET HEAD POST PUT PATCH DELETE OPTIONS]"},
		"no description":  {"description: Logical port of the token service. 0 counts as absent.", "description: ''", "servicePort: it has no description"},
		"statuses":        {"minimum: 200", "minimum: 100", "successStatus: got minimum 100, expected 200"},
		"a required key":  {"            required:\n", "            requird:\n", "successWhen[].required: got [], expected [equals]"},
		"a map's members": {"          additionalProperties:\n            type: string\n          description: Additional", "          description: Additional", "requestHeaders: got additionalProperties false, expected true"},
	} {
		s, err := parseSpec([]byte(strings.Replace(text, test.old, test.changed, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, err := range s.checkObject("", config.Root) {
			got = append(got, err.Error())
		}
		if strings.Join(got, "\n") != test.want {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
	}
}

// What Higress' market shows of a plugin, and by which it is found. A key without a translation is as good as any other.
func TestMarketFields(t *testing.T) {
	var file struct{ Info map[string]any }
	if err := yaml.Unmarshal([]byte(read(t, specFile)), &file); err != nil {
		t.Fatal(err)
	}
	isMissing := func(of any, name string) bool {
		members, _ := of.(map[string]any)
		text, _ := members[name].(string)
		return text == ""
	}
	for _, name := range []string{"gatewayMinVersion", "type", "category", "name", "title", "description", "iconUrl", "version"} {
		if isMissing(file.Info, name) {
			t.Errorf("info.%s: spec.yaml has none", name)
		}
	}
	if isMissing(file.Info["x-title-i18n"], "zh-CN") || isMissing(file.Info["x-description-i18n"], "zh-CN") || isMissing(file.Info["contact"], "name") {
		t.Error("info: spec.yaml has no Chinese title or description, or no contact")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(projectRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
