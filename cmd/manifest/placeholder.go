package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// higressPlaceholder matches what Higress' control plane replaces in the JSON of a WasmPlugin's spec: ${TYPE.NAME.KEY} or
	// ${TYPE.NAMESPACE/NAME.KEY} (ingress_template.go has the same expression).
	higressPlaceholder = regexp.MustCompile(`\$\{([^.}/]+)\.(?:([^/}]+)/)?([^.}/]+)\.([^}]+)\}`)
	// secret matches anything that starts like one for a Secret. Other names with dots are the plugin's.
	secret = regexp.MustCompile(`\$\{secret\.[^}"]*\}`)
	// unclosed matches a placeholder that does not end within its string.
	unclosed = regexp.MustCompile(`\$\{secret\.[^}"]*"`)
)

const wantPlaceholder = "want ${secret.NAMESPACE/NAME.KEY}"

// placeholders returns those for Secrets in a JSON text, without duplicates.
func placeholders(text []byte) []string {
	var found []string
	for _, match := range higressPlaceholder.FindAll(text, -1) {
		if secret.Match(match) && !slices.Contains(found, string(match)) {
			found = append(found, string(match))
		}
	}
	return found
}

// checkPlaceholders reports those that Higress' control plane can't replace and would push unchanged.
func checkPlaceholders(text []byte) (errs []error) {
	for _, match := range unclosed.FindAll(text, -1) {
		errs = append(errs, fmt.Errorf("malformed placeholder %s: it has no } (%s)", strings.TrimSuffix(string(match), `"`), wantPlaceholder))
	}
	for _, match := range secret.FindAll(text, -1) {
		parts := higressPlaceholder.FindSubmatch(match)
		switch {
		case len(parts) == 0 || string(parts[0]) != string(match):
			errs = append(errs, fmt.Errorf("malformed placeholder %s: Higress does not replace it (%s)", match, wantPlaceholder))
		case len(parts[2]) == 0:
			errs = append(errs, fmt.Errorf("malformed placeholder %s: it names no namespace (%s)", match, wantPlaceholder))
		}
	}
	// Up to 2.2.4, a single one that can't be replaced prevents all replacements.
	if secrets := placeholders(text); len(secrets) > 0 {
		for _, match := range higressPlaceholder.FindAll(text, -1) {
			if !secret.Match(match) {
				return append(errs, fmt.Errorf("%s has Higress replace no ${secret.…}, as it takes it for one that it can't replace (want a colon before the name, as in ${request.header:NAME}, and | for the dots of a claim's path)", match))
			}
		}
	}
	return errs
}
