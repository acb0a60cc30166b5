package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"token-fetch/e2e/harness"
)

// minRecipes is how many configurations docs/oauth2.md must at least have: for Keycloak, Auth0, Entra ID, also with a
// certificate, Okta, Google's metadata server, token services of one's own, and the exchanges of a caller's token: two with
// Keycloak, with an actor, with Entra ID.
const minRecipes = 12

// recipe is a configuration in docs/oauth2.md.
type recipe struct {
	name   string
	config map[string]any
}

var (
	fencedYAML = regexp.MustCompile("(?ms)^ *```ya?ml\\s*?\n *# recipe: (.+?)\n(.*?)^ *```")
	variable   = regexp.MustCompile(`(?:^|[^$])\$\{([A-Za-z0-9_]+)\}`)
)

// TestRecipes starts the plugin with every configuration that docs/oauth2.md marks
// as a recipe, as the gateway's control plane would hand it over: as JSON.
func TestRecipes(t *testing.T) {
	recipes, environment := readRecipes(t)
	if len(recipes) < minRecipes {
		t.Fatalf("docs/oauth2.md has %d recipes, want at least %d", len(recipes), minRecipes)
	}
	gateway := harness.Start(t, harness.Options{Config: recipes[0].config, Env: environment})
	for _, recipe := range recipes {
		t.Run(recipe.name, func(t *testing.T) { gateway.Update(t, recipe.config) })
	}
}

// readRecipes also returns a value for each environment variable that they name.
func readRecipes(t *testing.T) (recipes []recipe, environment map[string]string) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "oauth2.md"))
	if err != nil {
		t.Fatal(err)
	}
	environment = map[string]string{}
	for _, block := range fencedYAML.FindAllSubmatch(text, -1) {
		found := recipe{name: strings.TrimSpace(string(block[1]))}
		if err := yaml.Unmarshal(block[2], &found.config); err != nil {
			t.Errorf("recipe %s: %v", found.name, err)
		}
		for _, name := range variable.FindAllSubmatch(block[2], -1) {
			environment[string(name[1])] = "value-of-" + string(name[1])
			if bytes.HasSuffix(name[1], []byte("_PRIVATE_KEY")) {
				environment[string(name[1])] = harness.PrivatePEM(t, "RS256")
			}
		}
		recipes = append(recipes, found)
	}
	return recipes, environment
}
