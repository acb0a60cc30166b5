package abi

import (
	_ "unsafe" // for go:linkname

	// The linker might otherwise leave out the functions linked to below.
	_ "github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// AsRoot makes a host call on behalf of a root context, whichever context is active. The host makes all calls on its
// behalf anyway; it is the SDK that files the callback under the active context, and drops it when that context is
// gone. A call that others wait for must not end with the request that caused it.
func AsRoot(id uint32, call func()) {
	active := activeContext()
	setActiveContext(id)
	defer setActiveContext(active)
	call()
}

//go:linkname activeContext github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.VMStateGetActiveContextID
func activeContext() uint32

//go:linkname setActiveContext github.com/higress-group/proxy-wasm-go-sdk/proxywasm/internal.VMStateSetActiveContextID
func setActiveContext(id uint32)
