package abi

import (
	"slices"
	"testing"
)

type fakeContexts struct {
	made    [][2]uint32 // context and plugin context
	deleted []uint32
}

func (c *fakeContexts) NewRequest(id, pluginID uint32) Request {
	c.made = append(c.made, [2]uint32{id, pluginID})
	return &endingRequest{id: id}
}

func (c *fakeContexts) Deleted(id uint32) { c.deleted = append(c.deleted, id) }

// endingRequest counts how often it was deleted.
type endingRequest struct {
	fakeRequest
	id      uint32
	deleted int
}

func (r *endingRequest) OnDeleted() { r.deleted++ }

// Requests are the plugin's, also two that share a slot; the SDK goes on with all else, and the contexts hear of its end.
func TestRequestsOfTheVM(t *testing.T) {
	before := vm.contexts
	defer Use(before)
	contexts := &fakeContexts{}
	Use(contexts)
	other := uint32(len(vm.open.slots)) + 7
	vm.create(7, 1)
	vm.create(other, 1)
	if want := [][2]uint32{{7, 1}, {other, 1}}; !slices.Equal(contexts.made, want) {
		t.Errorf("made: got %v, expected %v", contexts.made, want)
	}
	first, second := vm.open.find(7).(*endingRequest), vm.open.find(other).(*endingRequest)
	if first.id != 7 || second.id != other {
		t.Fatalf("open: got %d and %d, expected requests 7 and %d", first.id, second.id, other)
	}
	if !vm.remove(7) || first.deleted != 1 || second.deleted != 0 || vm.open.find(7) != nil {
		t.Errorf("the first ends: told %d and %d times, expected 1 and 0", first.deleted, second.deleted)
	}
	if !vm.remove(other) || first.deleted != 1 || second.deleted != 1 || len(contexts.deleted) != 0 {
		t.Errorf("the second ends: told %d and %d times, expected 1 and 1, and nothing to be left to the SDK", first.deleted, second.deleted)
	}
	if vm.remove(7) || vm.remove(1) || !slices.Equal(contexts.deleted, []uint32{7, 1}) {
		t.Errorf("one that has ended, and the plugin context: got %v deleted as contexts of the SDK, expected both", contexts.deleted)
	}
}

// What is called as the root context leaves no trace: neither when it returns, nor when it panics.
func TestAsRootPutsTheActiveContextBack(t *testing.T) {
	setActiveContext(7)
	defer setActiveContext(0)
	AsRoot(1, func() {
		if got := activeContext(); got != 1 {
			t.Errorf("during the call: got context %d, expected 1", got)
		}
	})
	func() {
		defer func() { _ = recover() }()
		AsRoot(1, func() { panic("in the call") })
	}()
	if got := activeContext(); got != 7 {
		t.Errorf("after it: got context %d, expected 7", got)
	}
}
