//go:build faults

package fault

// trap is WebAssembly's unreachable instruction, which no recover sees: for the host it is
// the same as a stack overflow, or memory that Go's runtime could not get.
func trap()
