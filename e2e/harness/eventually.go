package harness

import (
	"testing"
	"time"
)

// Limit bounds a wait for what a test expects to happen. It is generous, for a busy machine of two cores.
const Limit = 10 * time.Second

// Eventually returns once check finds nothing wrong any more, and fails the test with what it last found when that takes
// longer than limit.
func Eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
	}
}
