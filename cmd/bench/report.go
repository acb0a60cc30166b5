package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"token-fetch/e2e/chart"
	"token-fetch/e2e/page"
)

// part is a generated part of a page.
type part struct{ file, name, text string }

// report prints the results and, if everything was measured, writes them into the pages.
func (b *bench) report(w io.Writer) error {
	if b.against != "" {
		_, err := fmt.Fprintf(w, "\nThis build to %s, measured in turns.\n\n%s%s", b.against, b.comparison(), b.warning())
		return err
	}
	const benchmark = "benchmark.md"
	parts := []part{
		{benchmark, "run", b.circumstances()},
		{benchmark, "targets", b.targets()},
		{benchmark, "requests", b.table(b.where(isNotSigning), router, cpu, rate, calls) + b.warning()},
		{benchmark, "latency", b.table(b.where(func(c candidate) bool { return b.results[c.Name][p99].measured() }), router, p50, p99)},
		{benchmark, "starts", b.table(b.started, hello, size, ready, memory)},
		{"operations.md", "sizing", b.sizing()},
		{"oauth2.md", "signatures", b.table(b.where(isSigning), unsigned, cpu)},
	}
	for _, p := range parts {
		if p.text != "" {
			fmt.Fprintf(w, "\n%s\n\n%s", p.name, p.text)
		}
	}
	if b.out == "" {
		return nil
	}
	return b.write(parts)
}

// write skips parts that were not measured.
func (b *bench) write(parts []part) error {
	for _, p := range parts {
		if p.text == "" {
			continue
		}
		if err := (page.Part{By: "make bench, " + p.name}).Replace(filepath.Join(b.out, p.file), p.text); err != nil {
			return err
		}
	}
	bars := b.bars()
	if len(bars) == 0 {
		return nil
	}
	picture, err := chart.Bars("CPU of Envoy per request, times that of router only", bars)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, "benchmark.svg"), picture, 0o644)
}

func (b *bench) circumstances() string {
	cores := "one is reserved for the measured Envoy; client, token service and upstream share the rest"
	if !b.separate {
		cores = "shared by all processes, which affect each other"
	}
	return page.Table([]string{"run", time.Now().UTC().Format(time.DateOnly)}, append(b.machine,
		[]string{"cores", cores},
		[]string{"rounds", fmt.Sprintf("%d of %s for each candidate, %d connections", b.rounds, b.duration, connections)},
	))
}

// where returns the measured candidates that match.
func (b *bench) where(isTrue func(candidate) bool) []candidate {
	return slices.DeleteFunc(slices.Clone(b.measured), func(c candidate) bool { return !isTrue(c) })
}

func isSigning(c candidate) bool { return c.Group == signing }

func isNotSigning(c candidate) bool { return c.Group != signing }

// ratio of a candidate's metric to another's, round by round.
func (b *bench) ratio(name, against string, m metric) series {
	return b.results[name][m].over(b.results[against][m])
}

func (b *bench) targets() string {
	var rows [][]string
	for _, c := range slices.Concat(b.measured, started()) {
		for _, l := range c.limits {
			ratio := b.ratio(c.Name, l.against, l.metric)
			if !ratio.measured() {
				continue
			}
			rows = append(rows, []string{c.Name + ": " + l.metric.name, l.against, l.String(), ratio.text("%.2f"), l.verdict(ratio.median())})
		}
	}
	return table([]string{"measurement", "relative to", "target", "ratio", ""}, rows)
}

// table lists metrics of candidates, with their ratios to those of the reference.
func (b *bench) table(rows []candidate, reference string, metrics ...metric) string {
	head := []string{"candidate", "description"}
	for _, m := range metrics {
		if head = append(head, m.name+m.unit); !m.isCount {
			head = append(head, "vs. "+reference)
		}
	}
	var lines [][]string
	for _, c := range rows {
		cells := []string{c.Name, c.About}
		for _, m := range metrics {
			if cells = append(cells, b.results[c.Name][m].text(m.format)); !m.isCount {
				cells = append(cells, b.ratio(c.Name, reference, m).text("%.2f"))
			}
		}
		lines = append(lines, cells)
	}
	return table(head, lines)
}

// comparison lists the ratios of two builds.
func (b *bench) comparison() string {
	var rows [][]string
	add := func(all []candidate, metrics ...metric) {
		for _, c := range all {
			for _, m := range metrics {
				if ratio := b.ratio(c.Name, c.Name+oldSuffix, m); ratio.measured() {
					rows = append(rows, []string{
						c.Name, m.name + m.unit, b.results[c.Name+oldSuffix][m].text(m.format), b.results[c.Name][m].text(m.format),
						ratio.text("%.3f"), fmt.Sprintf("%.3f–%.3f", ratio.quantile(0.25), ratio.quantile(0.75)),
					})
				}
			}
		}
	}
	add(b.measured, cpu, rate)
	add(b.started, ready, memory, size)
	return table([]string{"candidate", "metric", "other build", "this build", "ratio", "quartiles"}, rows)
}

// sizing lists what a gateway's operator needs for planning.
func (b *bench) sizing() string {
	var rows [][]string
	add := func(what, name, against string, m metric, of string) {
		if ratio := b.ratio(name, against, m); ratio.measured() {
			rows = append(rows, []string{what, fmt.Sprintf("%.1f times %s", ratio.median(), of)})
		}
	}
	const without = "that of a request without the plugin"
	add("CPU of a request with a cached token", cached, router, cpu, without)
	add("CPU of a request with its own token call", uncached, router, cpu, without)
	add("time until a gateway pod is ready: V8 compiles the module", cached, hello, ready,
		fmt.Sprintf("that of the smallest wasm-go plugin; here %.0f s", b.results[cached][ready].median()))
	if perWorker := b.results[cached][memory]; perWorker.measured() {
		rows = append(rows, []string{"memory per additional worker", fmt.Sprintf("%.0f MB", perWorker.median())})
	}
	return table([]string{"what", "measured"}, rows)
}

// tooMuch is more scatter between rounds, relative to the median, than a quiet machine has.
const tooMuch = 0.20

func (b *bench) warning() string {
	scattered := b.where(func(c candidate) bool {
		low, high := b.results[c.Name][cpu].extremes()
		return high-low > tooMuch*b.results[c.Name][cpu].median()
	})
	if len(scattered) == 0 {
		return ""
	}
	return fmt.Sprintf("\nThe machine was noisy: CPU per request varies by more than %.0f %% of its median with %d of %d candidates.\n",
		100*tooMuch, len(scattered), len(b.measured))
}

// bars are those of the chart, of the CPU of Envoy.
func (b *bench) bars() (bars []chart.Bar) {
	for _, c := range b.where(isNotSigning) {
		ratio := b.ratio(c.Name, router, cpu)
		if low, high := ratio.extremes(); ratio.measured() {
			bars = append(bars, chart.Bar{Group: c.Group, Label: c.Name, Value: ratio.median(), Low: low, High: high, Strong: c.isPlugin()})
		}
	}
	return bars
}

// table returns "" if there are no rows.
func table(head []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	return page.Table(head, rows)
}

// text shows the median, with the extremes in brackets.
func (s series) text(format string) string {
	median := s.median()
	if math.IsNaN(median) {
		return ""
	}
	low, high := s.extremes()
	if low == high {
		return fmt.Sprintf(format, median)
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median, low, high)
}
