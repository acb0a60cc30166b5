//go:build !wasip1

package abi

import (
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// RequestHeader is the first one of that name.
func RequestHeader(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpRequestHeader(name)
	return value, err == nil
}

// ResponseHeader is the first one of that name.
func ResponseHeader(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpResponseHeader(name)
	return value, err == nil
}

// ResponseTrailer is the first one of that name.
func ResponseTrailer(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpResponseTrailer(name)
	return value, err == nil
}

// RequestHeaders appends all of them to a slice, with their names in lower case.
func RequestHeaders(to [][2]string) [][2]string {
	headers, _ := proxywasm.GetHttpRequestHeaders()
	return append(to, headers...)
}

// SetProperty sets the one of that name; a host may have no use for it.
func SetProperty(name, value string) {
	_ = proxywasm.SetProperty([]string{name}, []byte(value))
}

// Property reads the one whose path has the given parts, with a zero byte between each two.
func Property(path string) (value string, ok bool) {
	data, err := proxywasm.GetProperty(strings.Split(path, "\x00"))
	return string(data), err == nil
}
