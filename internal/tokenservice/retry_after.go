package tokenservice

import (
	"strconv"
	"strings"
	"time"
)

// retryAfter is how long a token service that can't answer asks to be left alone (RFC 9110
// section 10.2.3), as seconds or as a date; 0 when it does not say.
func retryAfter(a *Answer, now time.Time) time.Duration {
	value, _ := FirstHeader(a.Headers, "retry-after")
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, ok := parseDate(value, now); ok {
		return max(at.Sub(now), 0)
	}
	return 0
}
