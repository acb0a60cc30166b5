package tokenservice

import (
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/schema"
)

// retryAfter is how long an unavailable token service asks not to be called (RFC 9110 section 10.2.3), in seconds or as
// a date; 0 if it does not say.
func retryAfter(resp *Response, now time.Time) time.Duration {
	value, _ := FirstHeader(resp.Headers, "retry-after")
	value = strings.TrimSpace(value)
	if delay, ok := deltaSeconds(value); ok {
		return delay
	}
	if t, ok := parseDate(value, now); ok {
		return max(t.Sub(now), 0)
	}
	return 0
}

// deltaSeconds parses a number of seconds in HTTP (RFC 9111 section 1.2.2), capped at MaxSeconds.
func deltaSeconds(text string) (time.Duration, bool) {
	if text == "" || strings.Trim(text, digits) != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		n = schema.MaxSeconds
	}
	return time.Duration(min(n, schema.MaxSeconds)) * time.Second, true
}
