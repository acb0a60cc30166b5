//go:build wasip1

package abi

import "unsafe"

//go:wasmimport env proxy_get_header_map_value
func getHeaderMapValue(headers uint32, name *byte, nameSize int32, value, size unsafe.Pointer) (failed uint32)

// responseHeaders is the ABI's number of them.
const responseHeaders = 2

// statusText and statusSize are where the host puts the value. On the stack they could
// move while the host calls back for memory, and on the heap every request would leave
// them to be collected, as it does with the SDK's function.
var (
	statusText *[3]byte
	statusSize int32
)

// ResponseStatus is the upstream's, 0 without one.
func ResponseStatus() int {
	const name = ":status"
	if getHeaderMapValue(responseHeaders, unsafe.StringData(name), int32(len(name)), unsafe.Pointer(&statusText), unsafe.Pointer(&statusSize)) != 0 ||
		statusSize != int32(len(statusText)) {
		return 0
	}
	status := 0
	for _, digit := range statusText {
		status = 10*status + int(digit-'0')
	}
	return status
}
