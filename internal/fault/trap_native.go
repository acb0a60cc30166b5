//go:build faults && !wasm

package fault

// trap panics, as there is no VM to end.
func trap() { panic("injected trap") }
