package operations_test

import (
	"regexp"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// documentedMetric is a row of the table in docs/operations.md.
var documentedMetric = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (counter|histogram|gauge) \\|")

// TestPrometheus scrapes every metric of the documentation's tables, as they are named there, in total and of a token
// service: Envoy leaves its own prefix wasmcustom out.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	page := harness.ReadProjectFile(t, "docs", "operations.md")
	rows := documentedMetric.FindAllStringSubmatch(string(page), -1)
	if len(rows) == 0 {
		t.Fatal("docs/operations.md has no table of metrics")
	}
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil)})
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	gateway.Get(t, "/")
	gateway.WaitCounter(t, "calls", 1)
	scrape := gateway.Scrape(t)
	for _, row := range rows {
		kind, names := row[2], []string{"token_fetch_" + row[1], "token_fetch_service_token_static_80_" + row[1]}
		if kind == "histogram" {
			names = names[:1]
		}
		for _, name := range names {
			series := map[string]string{"counter": name + "{} ", "gauge": name + "{} ", "histogram": name + "_count{} "}[kind]
			for _, want := range []string{"# TYPE " + name + " " + kind + "\n", "\n" + series} {
				if !strings.Contains(scrape, want) {
					t.Errorf("got a scrape without %q", want)
				}
			}
		}
	}
	if want := "\ntoken_fetch_calls{} 1\n"; !strings.Contains(scrape, want) {
		t.Errorf("after one call: got a scrape without %q", want)
	}
	if strings.Contains(scrape, "wasmcustom") {
		t.Error("got a scrape with wasmcustom, expected Envoy to leave it out")
	}
}
