//go:build !faults

// Package fault makes the plugin fail on demand. The end-to-end tests build it with the tag faults, to see what becomes of
// a request when its code panics or traps; without the tag it does nothing.
package fault

// Places where the plugin fails.
const (
	OnRequest = ""
	OnAnswer  = ""
)

// Inject does nothing without the tag.
func Inject(string) {}
