//go:build wasip1

// Header sets one header, without the SDK. The profile counts with it what a host call
// costs.
package main

import (
	"unsafe"

	_ "token-fetch/e2e/plugins/entered"
)

func main() {}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(uint32, uint32, bool) uint32 {
	const requestHeaders, name, value = 0, "x-token", "static"
	replaceHeader(requestHeaders, unsafe.StringData(name), int32(len(name)), unsafe.StringData(value), int32(len(value)))
	return 0
}

//go:wasmimport env proxy_replace_header_map_value
//go:noescape
func replaceHeader(kind uint32, name *byte, nameSize int32, value *byte, valueSize int32) uint32
