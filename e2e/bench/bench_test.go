package bench

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestQuickRun runs the whole benchmark with rounds too short to mean anything:
// every candidate does its work, and nothing is missing from the report.
func TestQuickRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Envoy a dozen times")
	}
	dir := t.TempDir()
	report, err := Run(context.Background(), Options{
		Root: "../..", Out: dir, Rounds: 1, Duration: 100 * time.Millisecond,
		Connections: 4, Quick: true, Progress: testLog{t}, Command: "go test",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"benchmark.md", "benchmark.svg"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 500 {
			t.Errorf("%s was not written (%v)", name, err)
		}
	}
	checkThroughput(t, report)
	checkSlowService(t, report)
	checkMarkdown(t, report)
	checkChart(t, report)
	for _, target := range report.targets() {
		if !target.measured() && runtime.GOOS == "linux" {
			t.Errorf("target %q is not measured", target.What)
		}
	}
}

func checkThroughput(t *testing.T, report *Report) {
	if got, want := len(report.Throughput), len(benchCandidates()); got != want {
		t.Errorf("%d candidates measured, want %d", got, want)
	}
	for _, measured := range report.Throughput {
		if measured.Rate.median() <= 0 {
			t.Errorf("%s: no requests", measured.Name)
		}
		perRequest := 0.0
		if measured.Group == "one token call per request" {
			perRequest = 1
		}
		// One call for the first request, and those that are under way at the end.
		if math.Abs(measured.Calls-perRequest) > 0.05 {
			t.Errorf("%s: %.2f token calls per request, want %.0f", measured.Name, measured.Calls, perRequest)
		}
	}
}

func checkSlowService(t *testing.T, report *Report) {
	if len(report.SlowService) != 2 {
		t.Fatalf("%d candidates with a slow token service, want 2", len(report.SlowService))
	}
	slow, fast := report.SlowService[0], report.SlowService[1]
	if slow.Calls != 10_000 || slow.P50 < slowness {
		t.Errorf("sample: %v calls per 10,000 requests, p50 %s", slow.Calls, slow.P50)
	}
	if fast.Calls > 100 || fast.P50 > slowness {
		t.Errorf("cached: %v calls per 10,000 requests, p50 %s", fast.Calls, fast.P50)
	}
}

func checkMarkdown(t *testing.T, report *Report) {
	page := report.Markdown()
	for _, c := range benchCandidates() {
		if !strings.Contains(page, "| "+c.Name+" |") {
			t.Errorf("the report lacks %s", c.Name)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{root, "NaN", "%!"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the report has %q in it", unwanted)
		}
	}
}

func checkChart(t *testing.T, report *Report) {
	chart := report.chart()
	decoder := xml.NewDecoder(strings.NewReader(chart))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the chart is no XML: %v", err)
		}
	}
	for _, c := range benchCandidates() {
		if !strings.Contains(chart, ">"+c.Name+"<") {
			t.Errorf("the chart lacks %s", c.Name)
		}
	}
	if strings.Contains(chart, "NaN") {
		t.Error("the chart has a bar without a length")
	}
}

// A run of some candidates has a report, with the rest marked as not measured.
func TestReportOfFewCandidates(t *testing.T) {
	report := &Report{Options: Options{Rounds: 3}, Throughput: []throughput{
		{candidate: candidate{Name: router}, Rate: series{10, 12, 11}, CPU: series{50, 52, 51}, Busy: series{1, 1, 1}},
		{candidate: candidate{Name: cached}, Rate: series{9, 9, 4}, CPU: series{60, 60, 60}, Busy: series{1, 1, 1}},
	}}
	var summary strings.Builder
	report.Summary(&summary)
	for _, want := range []string{
		"met           cached token: CPU per request, against router only: 1.18 (at most 1.25; 60.0 : 51.0 µs)",
		"not measured  cached token: requests/s, against sample",
		"warning: token-fetch, cached: requests/s of the rounds scatter by 56 %",
	} {
		if !strings.Contains(summary.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary.String())
		}
	}
	if page := report.Markdown(); strings.Contains(page, "NaN") {
		t.Errorf("the report has a number that is none:\n%s", page)
	}
}

func TestUnknownCandidate(t *testing.T) {
	_, err := Run(context.Background(), Options{Only: regexp.MustCompile("no such")})
	if err == nil || err.Error() != "no candidate has such a name" {
		t.Errorf("got error %v", err)
	}
}

// testLog shows the progress in the test's log.
type testLog struct{ *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
