//go:build faults && !wasm

package main

// trap ends no VM where there is none.
func trap() { panic("injected trap") }
