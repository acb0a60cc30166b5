package tokenservice

import (
	"slices"
	"strings"
)

// What a header's name or value must be, for errors.
const (
	WantSettableHeader = "the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own"
	WantHeaderValue    = "a header value: no control characters"
)

// connectionHeaders describe a single hop or frame the message; setting them would break the request (RFC 9110 section
// 7.6.1, RFC 9112 section 6).
var connectionHeaders = []string{
	"host", "content-length", "transfer-encoding", "connection", "keep-alive",
	"proxy-connection", "te", "trailer", "upgrade", "expect",
}

// IsSettableHeader reports whether name is a valid header name that a plugin may set: no pseudo-header, and none of the
// connection's own.
func IsSettableHeader(name string) bool {
	return isToken(name) && !slices.Contains(connectionHeaders, strings.ToLower(name))
}

// IsHeaderName reports whether text is valid as the name of a header or a method.
func IsHeaderName(text string) bool { return isToken(text) }

// isToken reports whether text is a token in the sense of HTTP (RFC 9110 section 5.6.2).
func isToken(text string) bool {
	const symbols = "!#$%&'*+-.^_`|~"
	return text != "" && strings.Trim(text, letters+digits+symbols) == ""
}

// contains reports whether text is not empty and consists only of bytes in the set. It runs for every request with a
// caller's token: strings.Trim, which builds a set on each call, takes four times as long.
func (set *byteSet) contains(text string) bool {
	for i := range len(text) {
		if !set[text[i]] {
			return false
		}
	}
	return text != ""
}

type byteSet [256]bool

func newByteSet(bytes string) *byteSet {
	var set byteSet
	for i := range len(bytes) {
		set[bytes[i]] = true
	}
	return &set
}

const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = capitals + "abcdefghijklmnopqrstuvwxyz"
	digits   = "0123456789"
)

// IsHeaderValue reports whether Envoy would send the value unchanged: it contains no control characters (RFC 9110
// section 5.5).
func IsHeaderValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return true
}

// FirstHeader returns the value of the first header with that name, which must be in lower case, as names from the host
// are.
func FirstHeader(headers [][2]string, name string) (string, bool) {
	for _, header := range headers {
		if header[0] == name {
			return header[1], true
		}
	}
	return "", false
}

// headerOf returns the first header's value, or "" if there is none.
func headerOf(headers [][2]string, name string) string {
	value, _ := FirstHeader(headers, name)
	return value
}
