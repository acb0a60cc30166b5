//go:build !linux

package bench

// separateCores is for Linux only.
func separateCores(int, ...int) (restore func(), separate bool) { return func() {}, false }
