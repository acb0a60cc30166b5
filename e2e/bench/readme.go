package bench

import (
	"fmt"
	"strings"

	"token-fetch/e2e/page"
)

// What the benchmark writes of pages that people write otherwise.
var (
	profilePart = page.Part{By: "make bench BENCH_FLAGS=-profile"}
	readmePart  = page.Part{By: "make bench"}
)

// readmeCandidates are the rows of the README's table.
var readmeCandidates = []string{router, credentialInjector, cached, hello, extAuthz, uncached, sample}

// Readme is the README's part: what a reader wants to know before the details.
func (r *Report) Readme() string {
	var text strings.Builder
	var rows [][]string
	for _, name := range readmeCandidates {
		t := r.throughput(name)
		rows = append(rows, []string{
			t.Name, t.About, fmt.Sprintf("%.1f", t.CPU.median()), thousands(t.Rate.median()), fmt.Sprintf("%.0f", t.Calls),
		})
	}
	writeTable(&text, []string{"candidate", "what it is", "CPU of Envoy, µs per request", "requests/s of one worker", "token calls per request"}, rows)
	fmt.Fprintf(&text, "\nMedians of %d rounds on %s, %d cores, %s, with Envoy %s; ", r.Options.Rounds,
		orUnknown(r.Machine.CPU), r.Machine.Cores, r.Machine.System, r.Machine.EnvoyVersion)
	fmt.Fprintf(&text, "`%s`, %s.\n", r.Options.Command, r.Began.UTC().Format("2006-01-02"))
	return text.String()
}
