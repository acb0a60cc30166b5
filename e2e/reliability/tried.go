package reliability

import (
	"strings"
	"testing"
)

// triedPart is the table of what single tests have measured.
const triedPart = "make reliability"

// Tried puts what a test has measured into the table of sizes, updates, traps and clocks. The fault is named by what
// and the part of the test.
func Tried(t testing.TB, what, gateway, measured string) {
	t.Helper()
	test, part, isPart := strings.Cut(t.Name(), "/")
	fault := what
	if isPart {
		fault += ": " + strings.ReplaceAll(part, "_", " ")
	}
	Record(t, triedPart, Row{Fault: fault, Gateway: gateway, Measured: measured, Command: "go -C e2e test -v -run " + test + " ./..."})
}
