package main

import (
	"testing"

	"token-fetch/internal/schema"
)

func described(string) (description, example string) { return "What it is.", "" }

// Whoever adds a key learns what is missing.
func TestKeysThatCannotBeWritten(t *testing.T) {
	odd := &schema.Key{Keys: []*schema.Key{{Name: "cache", Kind: schema.Object, Keys: []*schema.Key{{Name: "odd", Kind: "a pair of shoes"}}}}}
	_, err := writeJSONSchema(odd, described)
	if want := `cache.odd: cmd/schema does not know how "a pair of shoes" looks in JSON Schema`; err == nil || err.Error() != want {
		t.Errorf("got %v, expected %s", err, want)
	}
	_, err = writeJSONSchema(odd, func(path string) (string, string) { return map[string]string{"cache": "x"}[path], "" })
	if want := `cache.odd: it has no description in spec.yaml`; err == nil || err.Error() != want {
		t.Errorf("got %v, expected %s", err, want)
	}
}
