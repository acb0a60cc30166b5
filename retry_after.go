package main

import (
	"strconv"
	"strings"
	"time"
)

// retryAfter is how long a busy token service asks to be left alone (RFC 9110
// section 10.2.3), as seconds or as a date; 0 when it does not say.
func retryAfter(a answer, now time.Time) time.Duration {
	if a.status != 429 && a.status != 503 {
		return 0
	}
	value, _ := firstHeader(a.headers, "retry-after")
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := time.Parse(time.RFC1123, value); err == nil {
		return at.Sub(now)
	}
	return 0
}
