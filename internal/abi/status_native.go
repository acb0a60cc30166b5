//go:build !wasip1

package abi

import (
	"strconv"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// ResponseStatus is the upstream's, 0 without one.
func ResponseStatus() int {
	text, _ := proxywasm.GetHttpResponseHeader(":status")
	status, _ := strconv.Atoi(text)
	return status
}
