package abi

import (
	_ "unsafe" // for go:linkname

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

//go:wasmexport own_proxy_on_context_create
func onContextCreate(id, rootID uint32) {
	if !vm.create(id, rootID) {
		sdkContextCreate(id, rootID)
	}
}

//go:wasmexport own_proxy_on_request_headers
func onRequestHeaders(id uint32, count int32, endOfStream bool) types.Action {
	if r := vm.open.find(id); r != nil {
		return r.OnHttpRequestHeaders(int(count), endOfStream)
	}
	return sdkRequestHeaders(id, count, endOfStream)
}

//go:wasmexport own_proxy_on_request_trailers
func onRequestTrailers(id uint32, count int32) types.Action {
	if r := vm.open.find(id); r != nil {
		return r.OnHttpRequestTrailers(int(count))
	}
	return sdkRequestTrailers(id, count)
}

//go:wasmexport own_proxy_on_log
func onLog(id uint32) {
	if r := vm.open.find(id); r != nil {
		r.OnHttpStreamDone()
		return
	}
	sdkLog(id)
}

//go:wasmexport own_proxy_on_delete
func onDelete(id uint32) {
	if vm.remove(id) {
		return
	}
	sdkDelete(id)
}

// The SDK exports these to the host, but not to Go.

//go:linkname sdkContextCreate github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnContextCreate
func sdkContextCreate(id, rootID uint32)

//go:linkname sdkRequestHeaders github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnRequestHeaders
func sdkRequestHeaders(id uint32, count int32, endOfStream bool) types.Action

//go:linkname sdkRequestTrailers github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnRequestTrailers
func sdkRequestTrailers(id uint32, count int32) types.Action

//go:linkname sdkLog github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnLog
func sdkLog(id uint32)

//go:linkname sdkDelete github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.proxyOnDelete
func sdkDelete(id uint32)
