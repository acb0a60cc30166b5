package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func run(t *testing.T, args ...string) (b *bench, printed string) {
	t.Helper()
	o, err := parseFlags(append([]string{"-root", "../..", "-quick"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	o.progress = io.Discard
	b = &bench{options: o}
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := b.report(&text); err != nil {
		t.Fatal(err)
	}
	return b, text.String()
}

// Every candidate works, and the report has a row for each.
func TestQuickRun(t *testing.T) {
	docs := filepath.Join(t.TempDir(), "docs")
	if err := os.CopyFS(docs, os.DirFS("../../docs")); err != nil {
		t.Fatal(err)
	}
	b, printed := run(t, "-out", docs, "-only", "^[^s]|^sample|5 rules$") // all but a few starts
	var written string
	for _, name := range []string{"benchmark.md", "oauth2.md", "operations.md", "benchmark.svg"} {
		text, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Fatal(err)
		}
		written += string(text)
	}
	for _, c := range append(b.measured, b.started...) {
		if row := "| " + c.Name + " |"; !strings.Contains(printed, row) || !strings.Contains(written, row) {
			t.Errorf("got no row of %s, printed and written", c.Name)
		}
	}
	for _, c := range b.measured {
		if c.Group != signing && !(b.results[c.Name][rate].median() > 0) { // an RSA signature may take longer than the round
			t.Errorf("%s: got no requests", c.Name)
		}
		expected := 0.0
		if strings.HasPrefix(c.Group, "a token") {
			expected = 1
		}
		// One call is for the first request, and some may be under way at the end.
		if got := b.results[c.Name][calls].median(); math.Abs(got-expected) > 0.1 {
			t.Errorf("%s: got %.2f token calls per request, expected %.0f", c.Name, got, expected)
		}
	}
	for _, unwanted := range []string{"NaN", "%!"} {
		if strings.Contains(printed, unwanted) {
			t.Errorf("got %q in the report", unwanted)
		}
	}
}

// A build is as fast as itself; figures of a short run prove no more than that both are measured.
func TestAgainst(t *testing.T) {
	_, printed := run(t, "-against", "../../main.wasm", "-only", "^token-fetch, cached$|router")
	if !strings.Contains(printed, "| token-fetch, cached | CPU of Envoy per request, µs | ") || strings.Contains(printed, router) {
		t.Errorf("got %s, expected a row of token-fetch, cached, and none of %s", printed, router)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-only", "("}, {"what"}, {"-duration", "-1s"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	o, err := parseFlags([]string{"-root", ".", "-only", "no such"})
	if err != nil || o.out != "" {
		t.Errorf("got pages in %q and error %v, expected neither", o.out, err)
	}
	if err := (&bench{options: o}).choose(); err == nil {
		t.Error("a pattern that matches no candidate was accepted")
	}
}

// Listeners, clusters and statistics are named after the slug.
func TestSlugsDiffer(t *testing.T) {
	all, err := candidates()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range append(twice(all), started()...) {
		if seen[c.Slug()] {
			t.Errorf("got the slug %s twice", c.Slug())
		}
		seen[c.Slug()] = true
	}
}

func TestSeries(t *testing.T) {
	values := series{4, math.NaN(), 1, 3, 2}
	if low, high := values.extremes(); values.median() != 2.5 || low != 1 || high != 4 {
		t.Errorf("got median %v, extremes %v and %v", values.median(), low, high)
	}
	// Both sides of a slow round are slow: the ratio stays.
	if got := (series{20, 40, 22}).over(series{10, 20, 10}).median(); got != 2 {
		t.Errorf("got ratio %v, expected 2", got)
	}
	if none := (series{math.NaN()}); none.measured() || none.text("%.0f") != "" {
		t.Errorf("a series without values is %q", none.text("%.0f"))
	}
	cheap, fast := limit{metric: cpu, value: 1.25}, limit{metric: rate, value: 0.85}
	if cheap.verdict(1.25) != "met" || cheap.verdict(1.3) == "met" || fast.verdict(0.9) != "met" || fast.verdict(0.8) == "met" {
		t.Error("a limit is on the wrong side")
	}
}

// Two of ten windows are disturbed, one has no requests at all.
func TestUndisturbed(t *testing.T) {
	const window = 10 * time.Millisecond
	var samples []sent
	for due := time.Duration(0); due < 10*window; due += window / 100 {
		switch due / window {
		case 2, 3:
			samples = append(samples, sent{due: due, took: time.Second})
		case 5:
		default:
			samples = append(samples, sent{due: due, took: time.Millisecond})
		}
	}
	if got := undisturbed(samples, window, 0.99); got != 1000 {
		t.Errorf("got %v µs, expected 1000", got)
	}
}

func TestArrivals(t *testing.T) {
	times := arrivals(1000, 10_000, 7)
	if last := times[len(times)-1]; !slices.IsSorted(times) || last < 9*time.Second || last > 11*time.Second {
		t.Errorf("10,000 requests at 1,000 per second take %s, expected about 10 s in order", last)
	}
	if !slices.Equal(times, arrivals(1000, 10_000, 7)) || slices.Equal(times, arrivals(1000, 10_000, 8)) {
		t.Error("the seed does not decide about the arrivals")
	}
}
