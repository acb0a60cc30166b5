package harness

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// recorder keeps what a server of the test received.
type recorder[T any] struct {
	mu      sync.Mutex // guards entries
	entries []T
}

func (r *recorder[T]) add(entry T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, entry)
}

func (r *recorder[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.entries)
}

func (r *recorder[T]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = nil
}

// wait returns once there are at least count entries and fails the test when
// they do not come.
func (r *recorder[T]) wait(t testing.TB, count int, what string) (entries []T) {
	t.Helper()
	Eventually(t, Limit, func() error {
		if entries = r.all(); len(entries) < count {
			return fmt.Errorf("%d %s, want %d", len(entries), what, count)
		}
		return nil
	})
	return entries
}
