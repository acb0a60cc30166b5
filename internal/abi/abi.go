// Package abi has the callbacks and host calls that go past the SDK, and nothing else.
//
// What: the callbacks that the host makes for each request, or for each attempt where the plugin is an upstream filter
// (context_create, request_headers, request_trailers, response_headers, response_trailers, delete), the monotonic clock, request headers and properties (one is set as well), and the status of
// the upstream's answer.
//
// Why: the SDK looks into three maps at each callback of a request and writes to two, which costs more than all that
// the plugin does for a request with a cached token; its clock and its header functions cost a host call or
// garbage that a request need not.
//
// Measured: it saves 4 to 7 % of what Envoy needs for a request (40 rounds; 95 % confidence: 2 to 8 %).
//
// How: these callbacks are exported under names with the prefix own_, and tools/postlink puts them in the place of
// the SDK's after linking. They know all requests, and hand plugin contexts on to the SDK's functions by go:linkname. Calls
// are made by the SDK, which hands out their answers, but AsRoot. In the SDK's emulator, which runs the file as it was
// linked, the plugin works through the SDK alone.
//
// What breaks it when the SDK is updated: a callback of the SDK that is renamed or takes other arguments fails to
// link (make build). One that is made to do more shows in the end-to-end tests in a real Envoy, above
// all TestPanics and TestMemory, and for a new callback in the list of tools/postlink, which refuses to build.
package abi

import "github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

// Request is a request that the SDK does not know of.
type Request interface {
	OnHttpRequestHeaders(count int, endOfStream bool) types.Action
	OnHttpRequestTrailers(count int) types.Action
	OnHttpResponseHeaders(count int, endOfStream bool) types.Action
	OnHttpResponseTrailers(count int) types.Action
	OnDeleted() // the host forgets it; of its answer, only properties can be asked for
}

// Contexts makes and forgets the contexts of a VM.
type Contexts interface {
	NewRequest(id, pluginID uint32) Request
	// Deleted is for a plugin context, of which the SDK knows.
	Deleted(id uint32)
}

// VM are the open requests of the VM.
type VM struct {
	contexts Contexts
	open     requests
}

// vm is the one of this module.
var vm VM

// Use has the callbacks go to the contexts. It is called once, before any callback.
func Use(contexts Contexts) { vm.contexts = contexts }

func (v *VM) create(id, pluginID uint32) { v.open.add(id, v.contexts.NewRequest(id, pluginID)) }

// remove reports whether the context was a request.
func (v *VM) remove(id uint32) bool {
	r := v.open.remove(id)
	if r == nil {
		v.contexts.Deleted(id)
		return false
	}
	r.OnDeleted()
	return true
}
