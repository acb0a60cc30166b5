// Package abi contains the callbacks and host calls that bypass the SDK, and nothing else.
//
// What: the callbacks that the host makes for each request or, if the plugin is an upstream filter, for each attempt
// (context_create, request_headers, request_trailers, response_headers, response_trailers, delete); the monotonic
// clock; HTTP calls; the headers of requests and of responses to these calls; getting and setting properties; and the
// status of the upstream's response.
//
// Why: in each callback of a request the SDK reads three maps and writes two, which costs more than everything the
// plugin does for a request with a cached token. Its clock, header and call functions cost host calls and garbage that
// a request does not need.
//
// Measured: it saves 4 to 7 % of Envoy's CPU per request (40 rounds; 95 % confidence: 2 to 8 %).
//
// How: these callbacks are exported under names with the prefix own_, and tools/postlink substitutes them for the SDK's
// after linking. They track all requests, and pass plugin contexts on to the SDK's functions through go:linkname. The
// SDK still makes Redis calls, within AsRoot, and dispatches the responses to all calls. In the SDK's emulator, which runs
// the module as linked, the plugin works through the SDK alone.
//
// What breaks it when the SDK is updated: if a callback of the SDK is renamed or changes its arguments, linking fails
// (make build). If the SDK gains a callback, tools/postlink, which lists them, refuses to build. If a callback of the
// SDK does more than before, the end-to-end tests in a real Envoy show it, above all TestPanics and those
// in e2e/memory.
package abi

import "github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

// Request is a request that the SDK does not know.
type Request interface {
	OnHttpRequestHeaders(count int, endOfStream bool) types.Action
	OnHttpRequestTrailers(count int) types.Action
	OnHttpResponseHeaders(count int, endOfStream bool) types.Action
	OnHttpResponseTrailers(count int) types.Action
	OnDeleted() // the host drops the request; of its response, only properties are still available
}

// Contexts creates and drops the contexts of a VM.
type Contexts interface {
	NewRequest(id, pluginID uint32) Request
	// Deleted is called for a plugin context, which the SDK knows too.
	Deleted(id uint32)
}

// VM holds the open requests of the VM.
type VM struct {
	contexts Contexts
	open     requests
}

// vm is this module's VM.
var vm VM

// Use routes the callbacks to contexts. It must be called once, before any callback.
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
