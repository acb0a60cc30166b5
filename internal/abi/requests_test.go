package abi

import (
	"testing"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

type fakeRequest struct{ id uint32 }

func (*fakeRequest) OnHttpRequestHeaders(int, bool) types.Action  { return types.ActionContinue }
func (*fakeRequest) OnHttpRequestTrailers(int) types.Action       { return types.ActionContinue }
func (*fakeRequest) OnHttpResponseHeaders(int, bool) types.Action { return types.ActionContinue }
func (*fakeRequest) OnHttpResponseTrailers(int) types.Action      { return types.ActionContinue }
func (*fakeRequest) OnDeleted()                                   {}

func TestOpenRequests(t *testing.T) {
	var open requests
	size := uint32(len(open.slots))
	// Three that share a slot, and one that does not.
	ids := []uint32{5, 5 + size, 5 + 7*size, 6}
	all := map[uint32]Request{}
	for _, id := range ids {
		all[id] = &fakeRequest{id: id}
		open.add(id, all[id])
	}
	check := func(step string) {
		t.Helper()
		for _, id := range ids {
			if got := open.find(id); got != all[id] {
				t.Errorf("%s: request %d: got %v, expected %v", step, id, got, all[id])
			}
		}
		if got := open.find(5 + 2*size); got != nil {
			t.Errorf("%s: got %v for an id that was never there", step, got)
		}
	}
	check("all added")
	// First the one that has the slot: those beside it stay where they are.
	for _, id := range []uint32{5, 5 + 7*size, 6, 5 + size} {
		if got := open.remove(id); got != all[id] {
			t.Errorf("removing %d: got %v, expected %v", id, got, all[id])
		}
		all[id] = nil
		check("removed")
		if got := open.remove(id); got != nil {
			t.Errorf("removing %d again: got %v", id, got)
		}
	}
	if len(open.overflow) != 0 {
		t.Errorf("overflow has %d requests left", len(open.overflow))
	}
}
