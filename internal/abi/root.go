package abi

import (
	_ "unsafe" // for go:linkname

	// Without it, the linker could leave out what is taken of it below.
	_ "github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// AsRoot makes a call of the host in the name of a root context, whichever context runs. The host makes all calls in its
// name anyway. It is the SDK that files the answer under the context that it takes to be active, and drops the answer
// when that one is gone: a call that others wait for must not end with the request that has caused it.
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
