//go:build faults

package fault

// trap is WebAssembly's unreachable instruction, which recover can't catch. To the host it looks the same as a stack
// overflow or an out-of-memory error of Go's runtime.
func trap()
