package main

import (
	"os"
	"strings"
	"testing"

	"token-fetch/internal/config"
	"token-fetch/tools/configschema"
)

const configSchema = "docs/config.schema.json"

// The schema is what the keys and spec.yaml make of it; CONFIG_SCHEMA=write, which make schema sets, writes it anew.
func TestConfigSchemaIsUpToDate(t *testing.T) {
	want, err := configschema.Generate(config.Root, specDescriptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("CONFIG_SCHEMA") == "write" {
		if err := os.WriteFile(configSchema, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := readFile(t, configSchema)
	line, gotLine, wantLine := firstDifference(got, string(want))
	if line > 0 {
		t.Errorf("%s, line %d: got %q, expected %q; run make schema", configSchema, line, gotLine, wantLine)
	}
}

// firstDifference is 0 when there is none.
func firstDifference(a, b string) (line int, inA, inB string) {
	linesA, linesB := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(linesA), len(linesB)) {
		inA, inB = "", ""
		if i < len(linesA) {
			inA = linesA[i]
		}
		if i < len(linesB) {
			inB = linesB[i]
		}
		if inA != inB || i >= len(linesA) || i >= len(linesB) {
			return i + 1, inA, inB
		}
	}
	return 0, "", ""
}

// specDescriptions reads what spec.yaml says of a key at a path such as cache.ttl or successWhen[].equals.
func specDescriptions(t *testing.T) configschema.Describe {
	t.Helper()
	members := specMembers(t)
	return func(path string) (description, example string) {
		at := strings.ReplaceAll("properties."+strings.ReplaceAll(path, ".", ".properties."), "[]", ".items")
		return members[at]["description"], members[at]["example"]
	}
}
