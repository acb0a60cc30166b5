//go:build faults

package fault

import (
	"os"
)

// Places where the plugin can fail.
const (
	OnRequest  = "request"
	OnResponse = "answer"
)

// Inject panics if the VM's environment variable FAULT names the place, and traps if it names the place with the suffix
// -trap.
func Inject(place string) {
	switch os.Getenv("FAULT") {
	case place:
		panic("injected fault")
	case place + "-trap":
		trap()
	}
}
