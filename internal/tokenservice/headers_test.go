package tokenservice

import "testing"

func TestSettableHeaders(t *testing.T) {
	tests := map[string]bool{
		"X-Token": true, "authorization": true, "a": true, "!#$%&'*+-.^_`|~09": true,
		"": false, ":path": false, "a b": false, "a\n": false, "a:": false, "ä": false, "a\"": false,
		"Host": false, "Content-Length": false, "Transfer-Encoding": false, "Connection": false, "Keep-Alive": false,
		"Proxy-Connection": false, "TE": false, "Trailer": false, "Upgrade": false, "Expect": false,
	}
	for name, want := range tests {
		if got := IsSettableHeader(name); got != want {
			t.Errorf("%q: got %v, expected %v", name, got, want)
		}
	}
}

func TestHeaderValues(t *testing.T) {
	tests := map[string]bool{
		"": true, "a b": true, "~": true, "ä": true, "\x80\xff": true,
		"a\nb": false, "a\r": false, "\x00": false, "\t": false, "\x1f": false, "\x7f": false,
	}
	for value, want := range tests {
		if got := IsHeaderValue(value); got != want {
			t.Errorf("%q: got %v, expected %v", value, got, want)
		}
	}
}
