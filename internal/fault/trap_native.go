//go:build faults && !wasm

package fault

// trap ends no VM where there is none.
func trap() { panic("injected trap") }
