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

func TestRequestThatThePluginKnows(t *testing.T) {
	contexts := &fakeContexts{}
	vm := &VM{contexts: contexts}
	vm.create(7, 1)
	if want := [][2]uint32{{7, 1}}; !slices.Equal(contexts.made, want) {
		t.Errorf("made: got %v, expected %v", contexts.made, want)
	}
	r, ok := vm.open.find(7).(*endingRequest)
	if !ok || r.id != 7 {
		t.Fatalf("open: got %v, expected request 7", vm.open.find(7))
	}
	if !vm.remove(7) || r.deleted != 1 {
		t.Errorf("removed: the request was told %d times, expected once", r.deleted)
	}
	if vm.open.find(7) != nil || len(contexts.deleted) != 0 {
		t.Errorf("after that: got %v open and %v deleted as contexts of the SDK, expected neither", vm.open.find(7), contexts.deleted)
	}
}

// The SDK goes on with a plugin context, and the contexts hear of its end.
func TestContextThatTheSDKKnows(t *testing.T) {
	contexts := &fakeContexts{}
	vm := &VM{contexts: contexts}
	if vm.remove(1) {
		t.Error("remove: got true, expected it to be left to the SDK")
	}
	if want := []uint32{1}; !slices.Equal(contexts.deleted, want) {
		t.Errorf("deleted: got %v, expected %v", contexts.deleted, want)
	}
}

func TestOneOfTwoRequestsEnds(t *testing.T) {
	contexts := &fakeContexts{}
	vm := &VM{contexts: contexts}
	size := uint32(len(vm.open.slots))
	vm.create(5, 1)
	vm.create(5+size, 1) // whose slot the first one has
	first, second := vm.open.find(5).(*endingRequest), vm.open.find(5+size).(*endingRequest)
	if !vm.remove(5) || first.deleted != 1 || second.deleted != 0 {
		t.Errorf("the first ends: told %d and %d times, expected 1 and 0", first.deleted, second.deleted)
	}
	if !vm.remove(5+size) || first.deleted != 1 || second.deleted != 1 {
		t.Errorf("the second ends: told %d and %d times, expected 1 and 1", first.deleted, second.deleted)
	}
	if vm.remove(5) || !slices.Equal(contexts.deleted, []uint32{5}) {
		t.Errorf("the first ends again: got %v deleted as contexts of the SDK, expected it", contexts.deleted)
	}
}

func TestUse(t *testing.T) {
	before := vm.contexts
	defer Use(before)
	contexts := &fakeContexts{}
	Use(contexts)
	if vm.contexts != Contexts(contexts) {
		t.Errorf("got %v, expected the contexts that were given", vm.contexts)
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
