package matrix

import (
	"os"
	"strings"
	"testing"

	"token-fetch/e2e/envoy"
)

// The pages name the versions that are tested, as code can't be linked into a table.
func TestPagesNameTheVersions(t *testing.T) {
	minor := envoy.Versions[0][:strings.LastIndex(envoy.Versions[0], ".")]
	for page, want := range map[string]string{
		"../../docs/limits.md": "| Envoy | " + strings.Join(envoy.Versions, ", ") + " | tested",
		"../../README.md":      "| Envoy | Envoy Gateway | Istio | Higress |\n| --- | --- | --- | --- |\n| " + minor + " and later |",
	} {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), want) {
			t.Errorf("%s does not have %q", page, want)
		}
	}
}

func TestPageHasAPlaceForTheTable(t *testing.T) {
	if _, err := part.Read("../../docs/limits.md"); err != nil {
		t.Error(err)
	}
}
