//go:build wasip1

// Package entered has what the plugins without the SDK share: they load in stock Envoy, and
// are entered as often as this project's plugin is. They add what they do with a request.
package entered

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

//go:wasmexport proxy_on_log
func onLog(uint32) {}

//go:wasmexport proxy_on_delete
func onDelete(uint32) {}
