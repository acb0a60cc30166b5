//go:build !wasip1

package main

import "time"

var processStart = time.Now()

// monotonicNow is for tests outside of a VM.
func monotonicNow() time.Duration { return time.Since(processStart) }
