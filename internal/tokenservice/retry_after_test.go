package tokenservice

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7":                              7 * time.Second,
		"Mon, 23 Nov 2026 12:00:40 GMT":  40 * time.Second,
		"Monday, 23-Nov-26 12:00:40 GMT": 40 * time.Second,
		"Mon Nov 23 12:00:40 2026":       40 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT":  0,
		"-7":                             0,
		"soon":                           0,
		"":                               0,
	} {
		if got := retryAfter(&Response{Headers: [][2]string{{"retry-after", value}}}, now); got != want {
			t.Errorf("%q: got %s, expected %s", value, got, want)
		}
	}
}
