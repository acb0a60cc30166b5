package share

import (
	"testing"
)

// A replaced configuration gives back the leases of its calls, whose results nobody will be told.
func TestCloseGivesBackLeases(t *testing.T) {
	clock, cells := newFakeClock(), newFakeCells()
	policy := defaults()
	policy.WarmUp = true
	a, b := newPeer(policy, clock, cells), newPeer(policy, clock, cells)
	a.tick() // calls for the first token
	a.Close()
	b.tick()
	if len(b.fetches) != 1 {
		t.Errorf("got %d calls of the other worker, expected 1", len(b.fetches))
	}
}
