//go:build !faults

// Package fault makes the plugin fail on demand. The end-to-end tests build with the tag faults to see what happens to
// a request when the plugin's code panics or traps. Without the tag, it does nothing.
package fault

// Places where the plugin can fail.
const (
	OnRequest  = ""
	OnResponse = ""
)

// Inject does nothing without the tag faults.
func Inject(string) {}
