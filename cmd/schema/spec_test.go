package main

import (
	"testing"

	"token-fetch/internal/schema"
)

// What the parser knows is written; what people wrote stays, with its comments.
func TestKeysAreWrittenIntoTheSpec(t *testing.T) {
	const before = `# A comment.
spec:
  configSchema:
    openAPIV3Schema:
      type: object
      properties:
        # Of the count.
        count:
          type: string
          minimum: 3
          description: How many.
          example: 5
        old:
          type: string
        map:
          type: object
          additionalProperties:
            type: string
            pattern: ^a
          description: A map.
      example:
        # Of the example.
        count: 7
`
	const after = `# A comment.
spec:
  configSchema:
    openAPIV3Schema:
      type: object
      required:
        - mode
      properties:
        # Of the count.
        count:
          type: integer
          minimum: 1
          maximum: 9
          default: 2
          description: How many.
          example: 5
        map:
          type: object
          additionalProperties:
            type: string
            pattern: ^a
          description: A map.
        mode:
          type: string
          minLength: 1
          enum:
            - a
            - b
          description: ""
        other:
          type: string
          minLength: 1
          description: ""
        list:
          type: array
          items:
            type: object
            required:
              - inside
            properties:
              inside:
                type: boolean
                description: ""
          description: ""
      example:
        # Of the example.
        count: 7
`
	s, err := parseSpec([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	s.setKeys(&schema.Key{Kind: schema.Object, Keys: []*schema.Key{
		{Name: "count", Kind: schema.Integer, Min: 1, Max: 9, Default: 2},
		{Name: "map", Kind: schema.TextMap},
		{Name: "mode", Kind: schema.Text, Required: true, OneOf: []string{"a", "b"}},
		{Name: "other", Kind: schema.Text, Required: true, Unless: []string{"count"}},
		{Name: "list", Kind: schema.Objects, Keys: []*schema.Key{{Name: "inside", Kind: schema.Boolean, Required: true}}},
	}})
	got, err := s.text()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != after {
		t.Errorf("got\n%s\nexpected\n%s", got, after)
	}
	if description, example := s.describe("count"); description != "How many." || example != "5" {
		t.Errorf("got %q and %q", description, example)
	}
}
