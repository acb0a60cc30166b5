//go:build !wasip1

package abi

import "time"

var processStart = time.Now()

// MonotonicNow is for tests outside a VM.
func MonotonicNow() time.Duration { return time.Since(processStart) }
