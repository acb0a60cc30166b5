package outage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRecording(t *testing.T) {
	began := time.Unix(1_000_000, 0)
	r := &Recording{Period: 10 * time.Second, Events: []Event{{OutageBegins, 20 * time.Second}}}
	for _, scrape := range []string{
		"# TYPE token_fetch_calls counter\ntoken_fetch_calls{} 1\nenvoy_other{} 7\n",
		"token_fetch_calls{} 1\n",
		"token_fetch_calls{} 1\ntoken_fetch_late_bucket{le=\"0.5\"} 3\n",
		"token_fetch_calls{} 2\ntoken_fetch_token_expiry_timestamp_seconds{} 1000120\ntoken_fetch_late_bucket{le=\"0.5\"} 3\n",
	} {
		r.add(scrape, began)
	}
	path := filepath.Join(t.TempDir(), "recording")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# event 20s " + OutageBegins + "\n", "load 10s\n",
		`token_fetch_calls{job="gateway",instance="gateway-1"} 1x2 2` + "\n",
		`token_fetch_late_bucket{job="gateway",instance="gateway-1",le="0.5"} _x2 3x1` + "\n",
		`token_fetch_token_expiry_timestamp_seconds{job="gateway",instance="gateway-1"} _x3 120` + "\n",
	} {
		if !strings.Contains(string(written), want) {
			t.Errorf("got %s, expected %q in it", written, want)
		}
	}
	if strings.Contains(string(written), "envoy_other") {
		t.Errorf("got %s, expected the plugin's metrics only", written)
	}
	read, load, err := Read(path)
	if err != nil || load != string(written) || read.Period != r.Period || read.End() != 30*time.Second || read.At(OutageBegins) != 20*time.Second {
		t.Errorf("read again: got %+v until %s (%v), expected %+v until %s", read, read.End(), err, r, r.End())
	}
}
