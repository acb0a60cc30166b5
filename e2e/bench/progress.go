package bench

import (
	"fmt"
	"strconv"
	"time"
)

// step tells what has just been done. On a terminal each line replaces the last.
func (b *bench) step(format string, args ...any) {
	if b.Progress == nil {
		return
	}
	before, after := "", "\n"
	if b.Terminal {
		before, after = "\r\x1b[K", ""
	}
	fmt.Fprint(b.Progress, before+fmt.Sprintf(format, args...)+after)
}

// thousands formats a number with commas.
func thousands(value float64) string {
	digits := strconv.FormatFloat(value, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
