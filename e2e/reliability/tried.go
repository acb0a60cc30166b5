package reliability

import (
	"path"
	"strings"
	"testing"
)

// triedPart is the table of what single tests have measured.
const triedPart = "make reliability"

// Tried puts what a test has measured into the table of sizes, updates, traps and clocks. The fault is named by what
// and the last part of the test's name.
func Tried(t testing.TB, what, gateway, measured string) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	fault := what
	if strings.Contains(t.Name(), "/") {
		fault += ": " + strings.ReplaceAll(path.Base(t.Name()), "_", " ")
	}
	Record(t, triedPart, Row{Fault: fault, Gateway: gateway, Measured: measured, Command: "go -C e2e test -v -run " + test + " ./..."})
}
