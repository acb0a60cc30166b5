package harness

import (
	"sync"
	"testing"
	"time"
)

// recorder keeps what a server of the test received and wakes those who wait for more.
type recorder[T any] struct {
	mu      sync.Mutex // guards entries and changed
	entries []T
	changed chan struct{} // closed and replaced by each add; lazily initialized
}

func (r *recorder[T]) add(entry T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, entry)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

func (r *recorder[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T(nil), r.entries...)
}

func (r *recorder[T]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = nil
}

// state returns the entries and a channel that is closed when there is one more.
func (r *recorder[T]) state() ([]T, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return append([]T(nil), r.entries...), r.changed
}

// wait returns once there are at least count entries and fails the test when
// they do not come.
func (r *recorder[T]) wait(t testing.TB, count int, what string) []T {
	t.Helper()
	deadline := time.After(Limit)
	for {
		entries, changed := r.state()
		if len(entries) >= count {
			return entries
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d %s within %s, want %d", len(entries), what, Limit, count)
		}
	}
}
