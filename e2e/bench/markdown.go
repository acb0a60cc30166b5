package bench

import (
	"fmt"
	"math"
	"strings"
)

// Markdown is the whole page.
func (r *Report) Markdown() string {
	var page strings.Builder
	page.WriteString("# Benchmark\n\nWritten by `make bench`; every number is of one run. Do not edit.\n\n")
	r.writeRun(&page)
	page.WriteString("## Targets\n\nRatios are taken within each round; the table has their median and, in brackets, the extremes.\n\n")
	r.writeTargets(&page)
	page.WriteString("\n## A request\n\n![CPU time of Envoy per request](benchmark.svg)\n\n")
	r.writeThroughput(&page)
	r.writeWarnings(&page)
	r.writeLatencies(&page)
	r.writeSlowService(&page)
	r.writeFootprints(&page)
	r.writeMethod(&page)
	return page.String()
}

func (r *Report) writeRun(page *strings.Builder) {
	rows := [][]string{
		{"machine", fmt.Sprintf("%s, %d cores, %s", orUnknown(r.Machine.CPU), r.Machine.Cores, r.Machine.System)},
		{"Envoy", r.Machine.EnvoyVersion + ", one worker"},
		{"Go", r.Machine.Go},
		{"date", r.Began.UTC().Format("2006-01-02")},
		{"command", "`" + r.Options.Command + "`"},
		{"took", r.Took.Round(1e9).String()},
		{"cores", r.cores()},
		{"rounds", fmt.Sprintf("%d of %s for each candidate, %d connections", r.Options.Rounds, r.Options.Duration, r.Options.Connections)},
	}
	writeTable(page, []string{"run", ""}, rows)
	page.WriteString("\n")
}

func (r *Report) cores() string {
	if r.Separate {
		return "the measured Envoy has one of its own; client, token service and upstream share the rest"
	}
	return "shared by all processes, which disturb each other"
}

func (r *Report) writeTargets(page *strings.Builder) {
	var rows [][]string
	for _, t := range r.targets() {
		ratio, note := "", ""
		if t.measured() {
			ratio, note = spread(t.Ratio, "%.2f"), t.Note
		}
		rows = append(rows, []string{t.What, t.Against, t.limit(), ratio, note, t.verdict()})
	}
	writeTable(page, []string{"what", "against", "target", "measured", "values", ""}, rows)
}

func (r *Report) writeThroughput(page *strings.Builder) {
	reference := r.throughput(router)
	var rows [][]string
	for _, t := range r.Throughput {
		rows = append(rows, []string{
			t.Name, t.About,
			spread(t.CPU, "%.1f"), ratioText(t.CPU.over(reference.CPU)),
			spreadThousands(t.Rate), ratioText(t.Rate.over(reference.Rate)),
			fmt.Sprintf("%.2f", t.Calls),
		})
	}
	writeTable(page, []string{
		"candidate", "what it is", "CPU of Envoy, µs per request", "to router only",
		"requests/s", "to router only", "token calls per request",
	}, rows)
}

func (r *Report) writeWarnings(page *strings.Builder) {
	warnings := r.Warnings()
	if len(warnings) > 0 {
		page.WriteString("\nWarnings:\n\n")
	}
	for _, warning := range warnings {
		page.WriteString("- " + warning + "\n")
	}
}

func (r *Report) writeLatencies(page *strings.Builder) {
	if len(r.Latencies.List) == 0 {
		return
	}
	fmt.Fprintf(page, "\n## Latency at half of saturation\n\nOpen loop at %s requests/s, which come at random; %d rounds.\n\n",
		thousands(r.Latencies.Rate), len(r.Latencies.List[0].P99))
	var rows [][]string
	for _, l := range r.Latencies.List {
		rows = append(rows, []string{l.Name, spread(l.P50, "%.0f"), spread(l.P99, "%.0f"), spread(l.AllP99, "%.0f"), spread(l.CPU, "%.1f")})
	}
	writeTable(page, []string{"candidate", "p50, µs", "p99, µs", "p99 with the machine's pauses, µs", "CPU of Envoy, µs per request"}, rows)
}

func (r *Report) writeSlowService(page *strings.Builder) {
	if len(r.SlowService) == 0 {
		return
	}
	fmt.Fprintf(page, "\n## What a client notices\n\nThe token service takes %s; %s requests at %s requests/s, from a cold start.\n\n",
		slowness, thousands(float64(r.SlowService[0].Requests)), thousands(slowServiceRate))
	var rows [][]string
	for _, f := range r.SlowService {
		rows = append(rows, []string{f.Name, millis(f.P50), millis(f.P99), thousands(f.Calls)})
	}
	writeTable(page, []string{"candidate", "p50", "p99", "token calls per 10,000 requests"}, rows)
	page.WriteString("\nWhat fifty gateways cost the token service that share their tokens through Redis: [fleet.md](fleet.md#figures).\n")
}

func (r *Report) writeFootprints(page *strings.Builder) {
	if len(r.Footprints) == 0 {
		return
	}
	page.WriteString("\n## Before the first request\n\n")
	var rows [][]string
	for _, f := range r.Footprints {
		perWorker := make(series, len(f.PerWorker))
		for i, bytes := range f.PerWorker {
			perWorker[i] = bytes / 1e6
		}
		rows = append(rows, []string{f.Name, megabytes(f.Size), spread(f.Ready, "%.2f"), spread(perWorker, "%.1f")})
	}
	writeTable(page, []string{"candidate", "size of the module", "Envoy ready after, s", "memory per further worker, MB"}, rows)
}

func writeTable(page *strings.Builder, head []string, rows [][]string) {
	line := func(cells []string) { page.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	page.WriteString(strings.Repeat("| --- ", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
}

// spread is the median with the extremes in brackets.
func spread(s series, format string) string {
	if !s.measured() {
		return "not measured"
	}
	if len(s) == 1 {
		return fmt.Sprintf(format, s[0])
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median(), s.min(), s.max())
}

func spreadThousands(s series) string {
	if !s.measured() {
		return "not measured"
	}
	return fmt.Sprintf("%s (%s–%s)", thousands(s.median()), thousands(s.min()), thousands(s.max()))
}

func ratioText(s series) string {
	if value := s.median(); !math.IsNaN(value) {
		return fmt.Sprintf("%.2f", value)
	}
	return ""
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown CPU"
	}
	return text
}
