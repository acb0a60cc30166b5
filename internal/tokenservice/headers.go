package tokenservice

import (
	"slices"
	"strings"
)

// What a configuration is told where a header's name or value does not fit.
const (
	WantSettableHeader = "the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own"
	WantHeaderValue    = "a header value: no control characters"
)

// connectionHeaders describe one hop or frame the message; setting them breaks
// the request (RFC 9110 section 7.6.1, RFC 9112 section 6).
var connectionHeaders = []string{
	"host", "content-length", "transfer-encoding", "connection", "keep-alive",
	"proxy-connection", "te", "trailer", "upgrade", "expect",
}

// IsSettableHeader reports whether name is a header's and one that a plugin may set: no
// pseudo-header and none of the connection's.
func IsSettableHeader(name string) bool {
	return isToken(name) && !slices.Contains(connectionHeaders, strings.ToLower(name))
}

// IsHeaderName reports whether a text can be a header's name, or a method.
func IsHeaderName(text string) bool { return isToken(text) }

// isToken reports whether text is what HTTP calls a token: a header's name, a method (RFC 9110 section 5.6.2).
func isToken(text string) bool {
	const symbols = "!#$%&'*+-.^_`|~"
	return text != "" && strings.Trim(text, letters+digits+symbols) == ""
}

// isOf reports whether text has only the bytes of a set, and some. A caller's token is looked at for every request:
// strings.Trim, which makes a set of its own each time, takes four times as long.
func (set *byteSet) isOf(text string) bool {
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
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// IsHeaderValue reports whether Envoy would put the value on the wire unchanged:
// anything but control characters (RFC 9110 section 5.5).
func IsHeaderValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return true
}

// FirstHeader returns the value of the first header of that name; names from
// the host are in lower case, and so must be name.
func FirstHeader(headers [][2]string, name string) (string, bool) {
	for _, header := range headers {
		if header[0] == name {
			return header[1], true
		}
	}
	return "", false
}

// headerOf is FirstHeader, and empty for one that is not there.
func headerOf(headers [][2]string, name string) string {
	value, _ := FirstHeader(headers, name)
	return value
}
