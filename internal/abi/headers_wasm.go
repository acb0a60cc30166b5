//go:build wasip1

package abi

import "unsafe"

//go:wasmimport env proxy_get_header_map_value
func getHeaderMapValue(headers uint32, name *byte, nameSize int32, value, size unsafe.Pointer) (failed uint32)

//go:wasmimport env proxy_get_header_map_pairs
func getHeaderMapPairs(headers uint32, pairs, size unsafe.Pointer) (failed uint32)

//go:wasmimport env proxy_get_property
func getProperty(path *byte, pathSize int32, value, size unsafe.Pointer) (failed uint32)

//go:wasmimport env proxy_set_property
//go:noescape
func setProperty(path *byte, pathSize int32, value *byte, valueSize int32) (failed uint32)

// The ABI's numbers of header maps.
const (
	requestHeaders      = 0
	responseHeaders     = 2
	responseTrailers    = 3
	callResponseHeaders = 6
)

// handedOut and handedOutSize are where the host returns data. On the stack they could move while the host calls back
// to allocate; on the heap, every request would leave garbage, as with the SDK's functions.
var (
	handedOut     *byte
	handedOutSize int32
)

// take returns the data that the host has just returned.
func take() string {
	text := unsafe.String(handedOut, handedOutSize)
	handedOut, handedOutSize = nil, 0
	return text
}

func headerValue(headers uint32, name string) (value string, ok bool) {
	if getHeaderMapValue(headers, unsafe.StringData(name), int32(len(name)), unsafe.Pointer(&handedOut), unsafe.Pointer(&handedOutSize)) != 0 {
		return "", false
	}
	return take(), true
}

// RequestHeader returns the first header with that name.
func RequestHeader(name string) (value string, ok bool) { return headerValue(requestHeaders, name) }

// ResponseHeader returns the first header with that name.
func ResponseHeader(name string) (value string, ok bool) { return headerValue(responseHeaders, name) }

// ResponseTrailer returns the first trailer with that name.
func ResponseTrailer(name string) (value string, ok bool) { return headerValue(responseTrailers, name) }

// RequestHeaders appends all headers to the slice, with names in lower case.
func RequestHeaders(to [][2]string) [][2]string { return appendHeaders(to, requestHeaders) }

// CallResponseHeaders is RequestHeaders for the response to an HTTP call.
func CallResponseHeaders(to [][2]string) [][2]string { return appendHeaders(to, callResponseHeaders) }

func appendHeaders(to [][2]string, headers uint32) [][2]string {
	if getHeaderMapPairs(headers, unsafe.Pointer(&handedOut), unsafe.Pointer(&handedOutSize)) != 0 {
		return to
	}
	return appendPairs(to, take())
}

// SetProperty sets a property; a host may ignore it.
func SetProperty(name, value string) {
	setProperty(unsafe.StringData(name), int32(len(name)), unsafe.StringData(value), int32(len(value)))
}

// Property reads the property at a path whose parts are separated by zero bytes.
func Property(path string) (value string, ok bool) {
	if getProperty(unsafe.StringData(path), int32(len(path)), unsafe.Pointer(&handedOut), unsafe.Pointer(&handedOutSize)) != 0 {
		return "", false
	}
	return take(), true
}
