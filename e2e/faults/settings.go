package faults

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// settings come from the environment, so that make test-faults can set them.
type settings struct {
	load time.Duration // FAULTS: of the measured load, after a warm-up
	seed uint64        // FAULTS_SEED: of all that is chosen at random
}

func readSettings(t *testing.T) settings {
	t.Helper()
	s := settings{load: time.Minute, seed: uint64(time.Now().UnixNano() % 1_000_000)}
	if testing.Short() {
		s.load = 10 * time.Second
	}
	if text := os.Getenv("FAULTS"); text != "" {
		load, err := time.ParseDuration(text)
		if err != nil || load < time.Second {
			t.Fatalf("FAULTS is %q, want a time of at least 1s, for example 20m", text)
		}
		s.load = load
	}
	if text := os.Getenv("FAULTS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("FAULTS_SEED is %q, want a number", text)
		}
		s.seed = seed
	}
	return s
}

// warmUp is how long the load runs before memory is measured for the first time: until
// the workers' heaps and the caches are as large as they get.
func (s settings) warmUp() time.Duration { return min(max(s.load/2, 30*time.Second), 2*time.Minute) }
