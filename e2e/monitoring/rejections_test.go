package monitoring_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// counted are a token service's counters at a time.
type counted func(at time.Duration) (calls, rejected int)

// TestAlertOfRejectedTokens has counters as the plugin's waits between new tokens make them: it fires for an upstream that
// rejects every token, also with one request a minute, and neither for a token that was revoked nor for sessions of callers
// that end.
func TestAlertOfRejectedTokens(t *testing.T) {
	const (
		begins, ends = 10 * time.Minute, 15 * time.Minute
		length       = 30 * time.Minute
		period       = 10 * time.Second
		lifetime     = 10 * time.Minute
	)
	// rejected is how many tokens an upstream has rejected that rejects all, where a request comes so often.
	rejected := func(at, every time.Duration) (n int) {
		wait := time.Second
		for next := begins; next < min(at, ends); next += max(wait, every) {
			n++
			wait = min(2*wait, 30*time.Second)
		}
		return n
	}
	services := map[string]struct {
		counted counted
		fires   bool
	}{
		"all_rejected": {func(at time.Duration) (int, int) {
			n := rejected(at, 0)
			return int(at/lifetime) + n, n
		}, true},
		"rarely_asked": {func(at time.Duration) (int, int) {
			n := rejected(at, time.Minute)
			return int(at/lifetime) + n, n
		}, true},
		"revoked_once": {func(at time.Duration) (int, int) {
			if at > begins {
				return int(at/lifetime) + 1, 1
			}
			return int(at / lifetime), 0
		}, false},
		"sessions_end": {func(at time.Duration) (int, int) { return int(at / time.Second), int(at / (3 * time.Second)) }, false},
	}
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", period)
	for name, service := range services {
		var calls, rejections strings.Builder
		for at := time.Duration(0); at <= length; at += period {
			c, r := service.counted(at)
			fmt.Fprintf(&calls, " %d", c)
			fmt.Fprintf(&rejections, " %d", r)
		}
		fmt.Fprintf(&load, "  token_fetch_service_%s_calls{job=\"gateway\"}%s\n", name, &calls)
		fmt.Fprintf(&load, "  token_fetch_service_%s_invalidated{job=\"gateway\"}%s\n", name, &rejections)
	}
	file := filepath.Join(t.TempDir(), "rejections.txt")
	if err := os.WriteFile(file, []byte(load.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	fired := newPrometheusOf(t, file).firing(t)
	for name, service := range services {
		spans := fired[alert{"TokenFetchTokensRejected", name}]
		switch {
		case !service.fires && len(spans) > 0:
			t.Errorf("%s: fired %v, expected never", name, spans)
		case service.fires && (len(spans) != 1 || spans[0].from < begins+time.Minute || spans[0].from > begins+5*time.Minute ||
			spans[0].to < ends-30*time.Second || spans[0].to > ends+5*time.Minute):
			t.Errorf("%s: fired %v, expected once, from %s to %s at the latest until %s", name, spans, begins+time.Minute, begins+5*time.Minute, ends+5*time.Minute)
		}
	}
}
