//go:build wasip1

package abi

// ResponseStatus is the upstream's, 0 without one.
func ResponseStatus() int {
	text, _ := headerValue(responseHeaders, ":status")
	if len(text) != 3 {
		return 0
	}
	status := 0
	for _, digit := range []byte(text) {
		status = 10*status + int(digit-'0')
	}
	return status
}
