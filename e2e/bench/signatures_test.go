package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is written is the difference to a call that is not signed.
func TestSignaturesOnThePage(t *testing.T) {
	s := &Signatures{
		circumstances: circumstances{Options: Options{Out: filepath.Join(t.TempDir(), "docs")}},
		Rows: []signature{
			{algorithm: "none", first: 3, later: series{1, 2, 3}},
			{algorithm: "ES256", key: "P-256", first: 2, later: series{2, 2.5, 4}},
			{algorithm: "RS256", key: "RSA, 2048 bits", first: 13, later: series{9, 11, 12}},
		},
	}
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(s.Options.Out, "oauth2.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		signaturesPart.Begin(), signaturesPart.End(),
		"| `ES256` | P-256 | 1.0 (0.5–1.0) | 0 |", "| `RS256` | RSA, 2048 bits | 9.0 (8.0–9.0) | 10 |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
}

// Each row's requests find the rule that is theirs.
func TestSignatureRows(t *testing.T) {
	rows, err := signatureRows()
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]bool{}
	for _, row := range rows {
		hosts[row.host] = true
	}
	rules := signing(rows).settings["_rules_"].([]any)
	if len(hosts) != len(rows) || len(rules) != len(rows) || rows[0].algorithm != "none" {
		t.Errorf("%d rows, %d hosts and %d rules, the first %s", len(rows), len(hosts), len(rules), rows[0].algorithm)
	}
}
