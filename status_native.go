//go:build !wasip1

package main

import (
	"strconv"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// responseStatus is the upstream's, 0 without one.
func responseStatus() int {
	text, _ := proxywasm.GetHttpResponseHeader(":status")
	status, _ := strconv.Atoi(text)
	return status
}
