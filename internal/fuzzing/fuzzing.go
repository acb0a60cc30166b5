// Package fuzzing has what the fuzz targets of several packages hold results against. Only
// tests import it.
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

// InTime runs do, which works on size bytes from outside, and fails the test if that takes more CPU time than
// is needed to look at each of them some hundred times: time that grows with the square of the size is a
// way to stop a gateway. A garbage collection can fall into it, so there are more tries; do must be repeatable.
func InTime(t testing.TB, size int, do func()) {
	t.Helper()
	runtime.LockOSThread() // the time is the thread's
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

// Depth is how deep lists and objects nest in a JSON text, and whether it is one, in the words of the
// standard library. A depth beyond its 10,000 is none.
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
