//go:build faults

package main

import (
	"os"
)

const (
	faultOnRequest = "request"
	faultOnAnswer  = "answer"
)

// injectFault panics at the place that the VM's environment variable FAULT names, or ends
// the VM there when it names the place with "-trap" after it.
func injectFault(at string) {
	switch os.Getenv("FAULT") {
	case at:
		panic("injected fault")
	case at + "-trap":
		trap()
	}
}
