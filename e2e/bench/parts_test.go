package bench

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestSeries(t *testing.T) {
	values := series{4, math.NaN(), 1, 3, 2}
	if values.median() != 2.5 || values.min() != 1 || values.max() != 4 {
		t.Errorf("median %v, min %v, max %v", values.median(), values.min(), values.max())
	}
	if got := (series{10, 10, 20}).scatter(); got != 1 {
		t.Errorf("scatter %v, want 1", got)
	}
	// Both sides of a slow round are slow: the ratio stays.
	if got := (series{20, 40, 22}).over(series{10, 20, 10}).median(); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if empty := (series{math.NaN()}); empty.measured() || !math.IsNaN(empty.median()) {
		t.Errorf("a series without values has median %v", empty.median())
	}
}

func TestConfidence(t *testing.T) {
	var values series
	for i := range 40 {
		values = append(values, float64((i*7)%40+1)) // 1 to 40 in some order
	}
	// The table of the sign test: of 40 values, the 14th and the 27th.
	if low, high := values.confidence(); low != 14 || high != 27 {
		t.Errorf("got %v to %v, expected 14 to 27", low, high)
	}
	// A wild value moves neither.
	values[3] = 1e9
	if low, high := values.confidence(); low < 13 || high > 28 {
		t.Errorf("with a wild value: got %v to %v", low, high)
	}
	if low, high := (series{1, 2, 3, 4, 5, 6}).confidence(); low != 1 || high != 6 {
		t.Errorf("of six: got %v to %v, expected 1 to 6", low, high)
	}
	if low, _ := (series{1, 2, 3, 4, 5}).confidence(); !math.IsNaN(low) {
		t.Errorf("of five: got %v, expected that they are too few", low)
	}
	if low, _ := (series{}).confidence(); !math.IsNaN(low) {
		t.Errorf("of none: got %v", low)
	}
}

func TestPercentile(t *testing.T) {
	var samples []sent
	for i := range 200 {
		samples = append(samples, sent{took: time.Duration(200 - i)})
	}
	if p50, p99 := percentile(samples, 0.5), percentile(samples, 0.99); p50 != 101 || p99 != 199 {
		t.Errorf("p50 %d, p99 %d", p50, p99)
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing is %d", got)
	}
}

// Two of ten windows are disturbed, one has no requests at all.
func TestUndisturbed(t *testing.T) {
	const window = 10 * time.Millisecond
	var samples []sent
	for due := time.Duration(0); due < 10*window; due += window / 100 {
		took := time.Millisecond
		switch due / window {
		case 2, 3:
			took = time.Second
		case 5:
			continue
		}
		samples = append(samples, sent{due: due, took: took})
	}
	if got := undisturbed(samples, 0.99, window); got != 1000 {
		t.Errorf("got %v µs, expected 1000", got)
	}
	if got := percentile(samples, 0.99); got != time.Second {
		t.Errorf("of all: got %v, expected 1s", got)
	}
	if got := undisturbed(nil, 0.99, window); !math.IsNaN(got) {
		t.Errorf("of nothing: got %v", got)
	}
}

func TestArrivals(t *testing.T) {
	times := arrivals(1000, 10_000, 7)
	if !slices.IsSorted(times) || times[0] < 0 {
		t.Error("the arrivals are not in order")
	}
	if last := times[len(times)-1]; last < 9*time.Second || last > 11*time.Second {
		t.Errorf("10,000 requests at 1,000 per second take %s, expected about 10 s", last)
	}
	if !slices.Equal(times, arrivals(1000, 10_000, 7)) {
		t.Error("the same seed gives other arrivals")
	}
	if slices.Equal(times, arrivals(1000, 10_000, 8)) {
		t.Error("another seed gives the same arrivals")
	}
}

func TestThousands(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 999.4: "999", 1000: "1,000", 12345.6: "12,346", 1234567: "1,234,567"} {
		if got := thousands(value); got != want {
			t.Errorf("thousands(%v) = %q, want %q", value, got, want)
		}
	}
}

func TestReadSplit(t *testing.T) {
	got := readSplit([]byte(`# Samples: 5K of event 'cpu-clock'
#
# Overhead  Shared Object
    60.00%  envoy
    27.00%  [kernel.kallsyms]
     6.00%  [JIT] tid 7220
     3.00%  libc.so.6
     4.00%  [unknown]
# (Tip: 10% of all)
`))
	want := split{Kernel: 0.27, Envoy: 0.63, Wasm: 0.10}
	if math.Abs(got.Kernel-want.Kernel) > 1e-9 || math.Abs(got.Envoy-want.Envoy) > 1e-9 || math.Abs(got.Wasm-want.Wasm) > 1e-9 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCounter(t *testing.T) {
	const text = "cluster.sample.upstream_rq_total: 7\ncluster.sample-2.upstream_rq_total: 9\n"
	if got := counter(text, "cluster.sample.upstream_rq_total"); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	if got := counter(text, "cluster.other.upstream_rq_total"); got != 0 {
		t.Errorf("got %d for a counter that is not there", got)
	}
}

// Listeners, clusters and statistics are named after the slug.
func TestSlugsDiffer(t *testing.T) {
	for _, all := range [][]candidate{benchCandidates(), profileCandidates()} {
		seen := map[string]string{}
		for _, c := range all {
			if other, found := seen[c.Slug()]; found {
				t.Errorf("%q and %q have the same slug", c.Name, other)
			}
			seen[c.Slug()] = c.Name
		}
	}
}

func TestGridStep(t *testing.T) {
	for longest := 1.0; longest < 2000; longest *= 1.1 {
		if lines := longest / gridStep(longest); lines < 2 || lines > 8 {
			t.Errorf("%.1f lines for %.1f", lines, longest)
		}
	}
}
