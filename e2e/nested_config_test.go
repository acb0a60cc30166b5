package e2e_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestNestedConfiguration nests configurations deeper than anything from outside may be. The
// gateway keeps what is under a key with an underscore to itself, so it may be anything there.
func TestNestedConfiguration(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.SampleConfig()})
	own := func(value string) string { return typedConfig("_own_", value) }
	good := map[string]string{
		"lists, 64 deep":         own(nestedLists(maxDepth-1, "")),
		"objects, 64 deep":       own(nestedObjects(maxDepth - 1)),
		"two of them":            own(`[` + nestedLists(maxDepth-2, "") + `,` + nestedObjects(maxDepth-2) + `]`),
		"a body with brackets":   typedConfig("requestBody", jsonText(bracketText(100_000))),
		"brackets in the middle": own(nestedLists(maxDepth-1, jsonText(bracketText(1000)))),
	}
	deep := map[string]string{
		"lists, 65 deep":        own(nestedLists(maxDepth, "")),
		"objects, 65 deep":      own(nestedObjects(maxDepth)),
		"after brackets":        own(`[` + jsonText(bracketText(1000)+`"\`) + `,` + nestedLists(maxDepth-1, "") + `]`),
		"lists, 8,000 deep":     own(nestedLists(8_000, "")),
		"objects, 100,000 deep": own(nestedObjects(100_000)),
		"lists, 100,000 deep":   own(nestedLists(100_000, "")),
		"never closed":          strings.Repeat("[", 100_000),
		"objects, never closed": strings.Repeat(`{"a":`, 100_000),
		"in requestHeaders":     typedConfig("requestHeaders", nestedObjects(100_000)),
		"in a rule":             inRule(typedConfig("cache", nestedObjects(100_000))),
	}
	for name, config := range good {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, config)
			harness.CheckStatus(t, gateway.Get(t, "/"), 200)
		})
	}
	tooDeep := regexp.MustCompile(`^invalid config: .*(not JSON at line \d+, column \d+|\b64\b)`)
	for name, config := range deep {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			log := gateway.UpdateRefused(t, config)
			if text := startError(log); !tooDeep.MatchString(text) || len(text) > 200 {
				t.Errorf("Envoy logged %.300q, want that the configuration is nested too deep", text)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("the refusal took %s", took)
			}
		})
	}
	t.Run("after all", func(t *testing.T) { harness.CheckStatus(t, gateway.Get(t, "/"), 200) })
}
