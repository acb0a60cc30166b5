// Package fuzzing has the oracles that fuzz targets of several packages share. Only tests import it.
package fuzzing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"
)

// InTime runs do, which processes size untrusted bytes, and fails the test if that takes more CPU time than a few
// hundred steps per byte: anything quadratic is a denial of service. As a garbage collection may interfere, it takes
// the best of several runs; do must be repeatable.
func InTime(t testing.TB, size int, do func()) {
	t.Helper()
	runtime.LockOSThread() // CPU time is per thread
	defer runtime.UnlockOSThread()
	const tries = 5
	limit := 20*time.Millisecond + time.Duration(size)*4*time.Microsecond
	shortest := time.Hour
	for range tries {
		start := threadTime()
		do()
		if shortest = min(shortest, threadTime()-start); shortest <= limit {
			return
		}
	}
	t.Errorf("took %s for %d bytes, expected at most %s", shortest, size, limit)
}

// Depth returns how deeply lists and objects nest in a JSON text, and whether it is valid, according to the standard
// library. Beyond that library's limit of 10,000 the text is not valid.
func Depth(text []byte) (deepest int, valid bool) {
	if !json.Valid(text) {
		return 0, false
	}
	depth := 0
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return deepest, true
		}
		if err != nil {
			return 0, false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
