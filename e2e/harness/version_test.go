package harness

import "testing"

func TestMinorVersion(t *testing.T) {
	tests := map[string]struct {
		text  string
		minor int
		known bool
	}{
		"release":         {"\n.envoy/1.36.4/envoy  version: dc2d3098ae5641555f15c71d5bb5ce0060a8015c/1.36.4/Clean/RELEASE/BoringSSL\n", 36, true},
		"of a branch":     {"envoy  version: dc2d3098/1.41.0-dev/Modified/DEBUG/BoringSSL", 41, true},
		"another project": {"envoy  version: dc2d3098/main/Clean/RELEASE/BoringSSL", 0, false},
		"nothing":         {"", 0, false},
	}
	for name, test := range tests {
		if minor, known := minorVersion(test.text); minor != test.minor || known != test.known {
			t.Errorf("%s: got %d %t, expected %d %t", name, minor, known, test.minor, test.known)
		}
	}
}
