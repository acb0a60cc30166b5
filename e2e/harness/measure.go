package harness

import (
	"fmt"
	"os"
	"strconv"
	"testing"
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

// Numbered are names, for hosts.
func Numbered(name string, count int) []string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("%s-%d", name, i+1))
	}
	return names
}
