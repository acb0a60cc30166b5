//go:build !faults

package main

// Faults are for the end-to-end tests, which build the plugin with the tag faults
// to see what becomes of a request when its code panics.

const (
	faultOnRequest = ""
	faultOnAnswer  = ""
)

func injectFault(string) {}
