package harness

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// Amount is how much of something a test does: what the environment variable says, or else full, of which -short does a
// part.
func Amount(t testing.TB, variable string, full, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		if testing.Short() {
			return short
		}
		return full
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < short {
		t.Fatalf("%s is %q, want a number of at least %d", variable, text, short)
	}
	return value
}

// AtBest measures until the result is within the limit, at most once per try: a neighbour on the machine can make any one
// of them slow, but none of them fast.
func AtBest(t testing.TB, what string, limit time.Duration, tries []string, measure func(try string) time.Duration) {
	t.Helper()
	var measured []time.Duration
	for _, try := range tries {
		took := measure(try)
		measured = append(measured, took)
		if took <= limit || t.Failed() {
			t.Logf("%s: %v (limit %s)", what, measured, limit)
			return
		}
	}
	t.Errorf("%s: %v, want at most %s at least once", what, measured, limit)
}

// Numbered are names, for the tries of AtBest or for hosts.
func Numbered(name string, count int) []string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%d", name, i+1))
	}
	return names
}
