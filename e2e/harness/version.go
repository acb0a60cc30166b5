package harness

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// NeedEnvoy skips a test that is for Envoy 1.minor and later, and says why the older ones can't pass it.
func NeedEnvoy(t testing.TB, minor int, why string) {
	t.Helper()
	text, err := exec.Command(binary(t, ""), "--version").Output()
	if err != nil {
		t.Fatalf("envoy --version: %v", err)
	}
	if has, known := minorVersion(string(text)); known && has < minor {
		t.Skipf("it needs Envoy 1.%d: %s", minor, why)
	}
}

// "envoy  version: REVISION/1.36.4/Clean/RELEASE/BoringSSL"
var versionText = regexp.MustCompile(`version: \w+/1\.(\d+)\.`)

// minorVersion reads what Envoy says of itself. That of a gateway's own build may say something else.
func minorVersion(text string) (minor int, known bool) {
	found := versionText.FindStringSubmatch(text)
	if found == nil {
		return 0, false
	}
	minor, err := strconv.Atoi(found[1])
	return minor, err == nil
}
