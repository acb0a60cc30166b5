package main

import "strings"

const (
	maxTokenBytes      = 16 << 10
	wantSettableHeader = "the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own"
	wantHeaderValue    = "a header value: no control characters"
)

// connectionHeaders describe one hop or frame the message; setting them breaks
// the request (RFC 9110 section 7.6.1, RFC 9112 section 6).
var connectionHeaders = []string{
	"host", "content-length", "transfer-encoding", "connection", "keep-alive",
	"proxy-connection", "te", "trailer", "upgrade", "expect",
}

// isSettableHeader tells whether name is a header's (RFC 9110 section 5.6.2) and
// one that a plugin may set: no pseudo-header and none of the connection's.
func isSettableHeader(name string) bool {
	return name != "" && !strings.ContainsFunc(name, isNoTokenRune) && !contains(connectionHeaders, strings.ToLower(name))
}

func isNoTokenRune(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// isHeaderValue tells whether Envoy would put the value on the wire as it is:
// anything but control characters (RFC 9110 section 5.5).
func isHeaderValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return true
}

// firstHeader returns the value of the first header of that name; names from
// the host are in lower case, and so must be name.
func firstHeader(headers [][2]string, name string) (string, bool) {
	for _, header := range headers {
		if header[0] == name {
			return header[1], true
		}
	}
	return "", false
}
