package matrix

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"token-fetch/e2e/page"
)

// Results are those of all versions.
type Results []*Result

var part = page.Part{By: "make test-matrix"}

// Write writes the table into docs/operations.md.
func (r Results) Write(root string) error {
	return part.Replace(filepath.Join(root, "docs", "operations.md"), r.Table())
}

// Table has a row for each version.
func (r Results) Table() string {
	var rows [][]string
	for _, result := range r {
		rows = append(rows, []string{
			result.Version,
			fmt.Sprint(result.passed),
			fmt.Sprint(result.Failed()),
			fmt.Sprint(len(result.skips)),
			result.calls,
			result.Took.Round(time.Second).String(),
		})
	}
	return page.Table([]string{"Envoy", "tests passed", "failed", "skipped", "requests with a token call each", "took"}, rows)
}

// Notes names the tests that failed or were skipped.
func (r Results) Notes() string {
	var text strings.Builder
	for _, result := range r {
		for _, name := range result.failures {
			fmt.Fprintf(&text, "%s failed: %s\n", result.Version, name)
		}
		for _, s := range result.skips {
			fmt.Fprintf(&text, "%s skipped: %s (%s)\n", result.Version, s.test, s.reason)
		}
	}
	return text.String()
}

// Err says on which versions not all tests passed.
func (r Results) Err() error {
	var list []error
	for _, result := range r {
		if failed := result.Failed(); failed > 0 {
			list = append(list, fmt.Errorf("envoy %s: %d tests failed", result.Version, failed))
		} else if result.passed == 0 {
			list = append(list, fmt.Errorf("envoy %s: no test ran", result.Version))
		}
	}
	return errors.Join(list...)
}
