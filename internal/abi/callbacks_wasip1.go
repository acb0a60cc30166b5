package abi

import (
	_ "unsafe" // for go:linkname

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

//go:wasmexport own_proxy_on_context_create
func onContextCreate(id, rootID uint32) {
	if rootID == 0 {
		sdkContextCreate(id, rootID)
		return
	}
	vm.create(id, rootID)
}

// The host makes this and the next three callbacks only for requests that it has created.
//
//go:wasmexport own_proxy_on_request_headers
func onRequestHeaders(id uint32, count int32, endOfStream bool) types.Action {
	return vm.open.find(id).OnHttpRequestHeaders(int(count), endOfStream)
}

//go:wasmexport own_proxy_on_request_trailers
func onRequestTrailers(id uint32, count int32) types.Action {
	return vm.open.find(id).OnHttpRequestTrailers(int(count))
}

//go:wasmexport own_proxy_on_response_headers
func onResponseHeaders(id uint32, count int32, endOfStream bool) types.Action {
	return vm.open.find(id).OnHttpResponseHeaders(int(count), endOfStream)
}

//go:wasmexport own_proxy_on_response_trailers
func onResponseTrailers(id uint32, count int32) types.Action {
	return vm.open.find(id).OnHttpResponseTrailers(int(count))
}

//go:wasmexport own_proxy_on_delete
func onDelete(id uint32) {
	if !vm.remove(id) {
		sdkDelete(id)
	}
}

// The SDK exports these to the host, but not to Go code.

//go:linkname sdkContextCreate github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnContextCreate
func sdkContextCreate(id, rootID uint32)

//go:linkname sdkDelete github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnDelete
func sdkDelete(id uint32)
