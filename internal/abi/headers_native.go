//go:build !wasip1

package abi

import (
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// RequestHeader returns the first header with that name.
func RequestHeader(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpRequestHeader(name)
	return value, err == nil
}

// ResponseHeader returns the first header with that name.
func ResponseHeader(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpResponseHeader(name)
	return value, err == nil
}

// ResponseTrailer returns the first trailer with that name.
func ResponseTrailer(name string) (value string, ok bool) {
	value, err := proxywasm.GetHttpResponseTrailer(name)
	return value, err == nil
}

// RequestHeaders appends all headers to the slice, with names in lower case.
func RequestHeaders(to [][2]string) [][2]string {
	headers, _ := proxywasm.GetHttpRequestHeaders()
	return append(to, headers...)
}

// CallResponseHeaders is RequestHeaders for the response to an HTTP call.
func CallResponseHeaders(to [][2]string) [][2]string {
	headers, _ := proxywasm.GetHttpCallResponseHeaders()
	return append(to, headers...)
}

// SetProperty sets a property; a host may ignore it.
func SetProperty(name, value string) {
	_ = proxywasm.SetProperty([]string{name}, []byte(value))
}

// Property reads the property at a path whose parts are separated by zero bytes.
func Property(path string) (value string, ok bool) {
	data, err := proxywasm.GetProperty(strings.Split(path, "\x00"))
	return string(data), err == nil
}
