//go:build wasip1

// Header sets one header, and is entered as often as this project's plugin is. It has no
// part of the SDK in it. The profile counts with it what a host call costs.
package main

import "unsafe"

func main() {}

//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) *byte { return &make([]byte, size)[0] }

//go:wasmexport proxy_on_vm_start
func onVMStart(uint32, uint32) bool { return true }

//go:wasmexport proxy_on_configure
func onConfigure(uint32, uint32) bool { return true }

//go:wasmexport proxy_on_context_create
func onContextCreate(uint32, uint32) {}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(uint32, uint32, bool) uint32 {
	const requestHeaders, name, value = 0, "x-token", "static"
	replaceHeader(requestHeaders, unsafe.StringData(name), int32(len(name)), unsafe.StringData(value), int32(len(value)))
	return 0
}

//go:wasmimport env proxy_replace_header_map_value
//go:noescape
func replaceHeader(kind uint32, name *byte, nameSize int32, value *byte, valueSize int32) uint32

//go:wasmexport proxy_on_log
func onLog(uint32) {}

//go:wasmexport proxy_on_delete
func onDelete(uint32) {}
