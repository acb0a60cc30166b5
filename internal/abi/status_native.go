//go:build !wasip1

package abi

import (
	"strconv"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// ResponseStatus returns the status of the response, or 0.
func ResponseStatus() int {
	text, _ := proxywasm.GetHttpResponseHeader(":status")
	status, _ := strconv.Atoi(text)
	return status
}
