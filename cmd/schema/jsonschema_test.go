package main

import (
	"encoding/json"
	"strings"
	"testing"

	"token-fetch/internal/schema"
)

func described(string) (description, example string) { return "What it is.", "" }

func TestKeysInTheirOrder(t *testing.T) {
	root := &schema.Key{Kind: schema.Object, Keys: []*schema.Key{
		{Name: "zebra", Kind: schema.Text, OneOf: []string{"a", "b"}},
		{Name: "count", Kind: schema.Integer, Default: 5, Min: 1, Max: 9},
		{Name: "on", Kind: schema.Boolean, Default: true},
	}}
	text, err := writeJSONSchema(root, described)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Fatalf("not JSON: %s", text)
	}
	var compact strings.Builder
	for _, line := range strings.Split(string(text), "\n") {
		compact.WriteString(strings.TrimSpace(line))
	}
	for _, want := range []string{
		`"properties": {"zebra": {"$ref": "#/$defs/zebra"},"count": {"$ref": "#/$defs/count"},"on": {"$ref": "#/$defs/on"},"_rules_"`,
		`"zebra": {"description": "What it is.","type": ["string","null"],"anyOf": [{"enum": ["a","b",null]},{"pattern": "\\$\\{"}]}`,
		`"count": {"description": "What it is.","type": ["integer","null"],"minimum": 1,"maximum": 9,"default": 5}`,
		`"on": {"description": "What it is.","type": ["boolean","null"],"default": true}`,
	} {
		if !strings.Contains(compact.String(), want) {
			t.Errorf("got %s\nexpected in it %s", compact.String(), want)
		}
	}
}

// A key that only some values of another need is required with those.
func TestKeysThatOthersNeed(t *testing.T) {
	root := &schema.Key{Kind: schema.Object, Keys: []*schema.Key{{Name: "oauth2", Kind: schema.Object, Keys: []*schema.Key{
		{Name: "subject", Kind: schema.Text, Required: true},
		{Name: "clientSecret", Kind: schema.Text},
		{Name: "privateKey", Kind: schema.Text},
		{Name: "authStyle", Kind: schema.Text, Default: "header"},
	}}}}
	text, err := encode(complete(root), "")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"required":[],"properties":{"oauth2":{"required":["subject"],"allOf":[` +
		`{"if":{"properties":{"authStyle":{"enum":["header","body","client_secret_jwt",null]}}},"then":{"required":["clientSecret"]}},` +
		`{"if":{"properties":{"authStyle":{"enum":["private_key_jwt"]}},"required":["authStyle"]},"then":{"required":["privateKey"]}}]}}}`
	if got := strings.TrimSpace(string(text)); got != want {
		t.Errorf("got      %s\nexpected %s", got, want)
	}
}

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
