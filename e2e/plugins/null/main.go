//go:build wasip1

// Null does nothing, without the SDK. The profile counts with it what entering the VM
// costs.
package main

import _ "token-fetch/e2e/plugins/entered"

func main() {}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(uint32, uint32, bool) uint32 { return 0 }
