//go:build wasip1

package abi

// ResponseStatus returns the status of the response, or 0.
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
