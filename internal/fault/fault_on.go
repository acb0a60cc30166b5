//go:build faults

package fault

import (
	"os"
)

// Places where the plugin fails.
const (
	OnRequest = "request"
	OnAnswer  = "answer"
)

// Inject panics at the place that the VM's environment variable FAULT names, or ends
// the VM there when it names the place with "-trap" after it.
func Inject(at string) {
	switch os.Getenv("FAULT") {
	case at:
		panic("injected fault")
	case at + "-trap":
		trap()
	}
}
