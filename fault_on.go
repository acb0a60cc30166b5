//go:build faults

package main

import (
	"os"
)

const (
	faultOnRequest = "request"
	faultOnAnswer  = "answer"
)

// injectFault panics at the place that the VM's environment variable FAULT names.
func injectFault(at string) {
	if os.Getenv("FAULT") == at {
		panic("injected fault")
	}
}
